//! `#[handler]`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{
    Error, Expr, ExprLit, FnArg, Ident, ItemFn, Lit, LitStr, Meta, Result, ReturnType, Token, Type,
};

const SIGNATURE: &str = "a handler is `fn name(event: Event, host: Host) -> Outcome`, or takes a `Message` or a `Firing` in place of the event";
const ARGUMENTS: &str = "`#[handler]` takes `kinds(\"push\", …)` and `name = \"…\"`";

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let function: ItemFn = match syn::parse2(item.clone()) {
        Ok(function) => function,
        Err(_) => {
            let message = format!("`#[handler]` goes on a function: {SIGNATURE}");
            let error = Error::new_spanned(&item, message).into_compile_error();
            return quote!(#error #item);
        }
    };
    let companion = syn::parse2(arguments)
        .and_then(|arguments| companion(&arguments, &function))
        .unwrap_or_else(|error| {
            // The type is there all the same, so that `plugin!` does not complain as well.
            let error = error.into_compile_error();
            let stand_in = stand_in(&function);
            quote!(#error #stand_in)
        });
    quote!(#function #companion)
}

/// What stands between the brackets of the attribute.
#[derive(Default)]
struct Arguments {
    name: Option<LitStr>,
    kinds: Option<Vec<LitStr>>,
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut arguments = Self::default();
        while !input.is_empty() {
            let key: Ident = input.parse().map_err(|error| Error::new(error.span(), ARGUMENTS))?;
            match key.to_string().as_str() {
                "name" if arguments.name.is_none() => {
                    input.parse::<Token![=]>().map_err(|error| {
                        Error::new(error.span(), "write the name as `name = \"…\"`")
                    })?;
                    arguments.name = Some(input.parse().map_err(|error| {
                        Error::new(error.span(), "write the name in quotes: `name = \"…\"`")
                    })?);
                }
                "kinds" if arguments.kinds.is_none() => arguments.kinds = Some(kinds(input, &key)?),
                "name" | "kinds" => {
                    return Err(Error::new(key.span(), format!("`{key}` is given twice")));
                }
                other => {
                    let message = format!("`{other}` is unknown here: {ARGUMENTS}");
                    return Err(Error::new(key.span(), message));
                }
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(arguments)
    }
}

fn kinds(input: ParseStream<'_>, key: &Ident) -> Result<Vec<LitStr>> {
    const HOW: &str = "write the kinds as `kinds(\"push\", \"star\")`";
    if !input.peek(syn::token::Paren) {
        return Err(Error::new(key.span(), HOW));
    }
    let content;
    syn::parenthesized!(content in input);
    let kinds: Punctuated<LitStr, Token![,]> =
        Punctuated::parse_terminated(&content).map_err(|error| Error::new(error.span(), HOW))?;
    if kinds.is_empty() {
        let message = "no kind is named: leave `kinds` away to be offered every event";
        return Err(Error::new(key.span(), message));
    }
    let mut seen = Vec::new();
    for kind in &kinds {
        if kind.value().is_empty() {
            return Err(Error::new(kind.span(), "a kind is not empty"));
        }
        if seen.contains(&kind.value()) {
            return Err(Error::new(kind.span(), "this kind is named twice"));
        }
        seen.push(kind.value());
    }
    Ok(kinds.into_iter().collect())
}

/// The type of the function's name that carries what `plugin!` needs to know: types and functions
/// have separate names, so that the one path means both.
fn companion(arguments: &Arguments, function: &ItemFn) -> Result<TokenStream> {
    let input = check_signature(function)?;
    let ident = &function.sig.ident;
    let name = match &arguments.name {
        Some(name) => name.clone(),
        None => LitStr::new(&ident.unraw().to_string(), ident.span()),
    };
    if !crate::is_name(&name.value()) {
        let message = format!(
            "`{}` cannot name a handler: use 1 to 64 lower-case letters, digits, `-` and `_`, here or as `#[handler(name = \"…\")]`",
            name.value()
        );
        return Err(Error::new(name.span(), message));
    }
    if let Some([kind, ..]) = arguments.kinds.as_deref()
        && input != "Event"
    {
        let message = format!("a `{input}` has no kind: leave `kinds` away");
        return Err(Error::new(kind.span(), message));
    }
    let input = format_ident!("{input}");
    let kinds = arguments.kinds.iter().flatten();
    let description = description(function);

    // Spans of the author's own types, so that a wrong one is underlined where it stands.
    let mut inputs = function.sig.inputs.iter();
    let event = spanned_argument(inputs.next(), "event");
    let host = spanned_argument(inputs.next(), "host");
    let call = match &function.sig.output {
        ReturnType::Type(_, output) => quote_spanned!(output.span()=> #ident(#event, #host)),
        ReturnType::Default => quote!(#ident(#event, #host)),
    };
    let stand_in = companion_type(function);
    Ok(quote! {
        #stand_in
        impl ::hookyard_sdk::__private::Handler<::hookyard_sdk::#input> for #ident {
            const NAME: &'static str = #name;
            const KINDS: &'static [&'static str] = &[#(#kinds),*];
            const DESCRIPTION: &'static str = #description;
            fn handle(
                event: ::hookyard_sdk::#input,
                host: ::hookyard_sdk::Host,
            ) -> ::hookyard_sdk::Outcome {
                #call
            }
        }
    })
}

fn spanned_argument(argument: Option<&FnArg>, name: &str) -> TokenStream {
    match argument {
        Some(FnArg::Typed(argument)) => {
            let ident = format_ident!("{name}");
            quote_spanned!(argument.ty.span()=> #ident)
        }
        _ => TokenStream::new(),
    }
}

fn companion_type(function: &ItemFn) -> TokenStream {
    let (vis, ident) = (&function.vis, &function.sig.ident);
    quote! {
        #[doc(hidden)]
        #[derive(Debug)]
        #[allow(non_camel_case_types)]
        #vis struct #ident {}
    }
}

/// After an error: enough of a handler for `plugin!` to be content with.
fn stand_in(function: &ItemFn) -> TokenStream {
    let companion = companion_type(function);
    let ident = &function.sig.ident;
    let name = ident.to_string();
    quote! {
        #companion
        impl<Input> ::hookyard_sdk::__private::Handler<Input> for #ident {
            const NAME: &'static str = #name;
            const KINDS: &'static [&'static str] = &[];
            const DESCRIPTION: &'static str = "";
            fn handle(_: Input, _: ::hookyard_sdk::Host) -> ::hookyard_sdk::Outcome {
                ::hookyard_sdk::outcome::done()
            }
        }
    }
}

/// The types of the first argument, one for each trigger.
const INPUTS: [&str; 3] = ["Event", "Message", "Firing"];

/// Which of [`INPUTS`] the handler takes.
fn check_signature(function: &ItemFn) -> Result<&'static str> {
    let signature = &function.sig;
    let refuse =
        |span: proc_macro2::Span, what: &str| Err(Error::new(span, format!("{what}: {SIGNATURE}")));
    if let Some(token) = signature.asyncness {
        return refuse(token.span(), "a handler is not `async`");
    }
    if let Some(token) = signature.unsafety {
        return refuse(token.span(), "a handler is not `unsafe`");
    }
    if !signature.generics.params.is_empty() {
        return refuse(signature.generics.span(), "a handler has no generic parameters");
    }
    if let Some(FnArg::Receiver(receiver)) = signature.inputs.first() {
        return refuse(receiver.span(), "a handler is a function of its own, not a method");
    }
    match signature.inputs.len() {
        2 => {}
        0 => return refuse(signature.ident.span(), "this function takes no arguments"),
        1 => return refuse(signature.inputs.span(), "one argument is missing"),
        _ => return refuse(signature.inputs.span(), "these are too many arguments"),
    }
    // By their last words only: the compiler checks the rest, but could not say what to do.
    let mut input = "Event";
    if let Some(FnArg::Typed(argument)) = signature.inputs.first() {
        match INPUTS.into_iter().find(|known| ends_with(&argument.ty, known)) {
            Some(known) => input = known,
            None => return refuse(argument.ty.span(), "this is not `Event`"),
        }
    }
    if let Some(FnArg::Typed(argument)) = signature.inputs.get(1)
        && !ends_with(&argument.ty, "Host")
    {
        return refuse(argument.ty.span(), "this is not `Host`");
    }
    if matches!(signature.output, ReturnType::Default) {
        return refuse(
            signature.ident.span(),
            "this function returns nothing; end it with `done()`",
        );
    }
    Ok(input)
}

fn ends_with(ty: &Type, word: &str) -> bool {
    match ty {
        Type::Path(ty) => ty.path.segments.last().is_some_and(|segment| segment.ident == word),
        _ => false,
    }
}

/// The first line of the doc comment.
fn description(function: &ItemFn) -> String {
    function
        .attrs
        .iter()
        .find_map(|attribute| match &attribute.meta {
            Meta::NameValue(doc) if doc.path.is_ident("doc") => match &doc.value {
                Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => {
                    text.value().trim().lines().next().map(str::to_owned)
                }
                _ => None,
            },
            _ => None,
        })
        .unwrap_or_default()
}
