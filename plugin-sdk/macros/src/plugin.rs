//! `plugin!`.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{Error, Ident, LitStr, Path, Result, Token};

const ARGUMENTS: &str = "`plugin!` takes handlers, `name = \"…\"`, `version = \"…\"`, `settings(required …, optional …)` and `shared(…)`";
const SHARED: &str = "write the namespaces that plugins share as `shared(customers)`";
const SETTINGS: &str = "write the settings as `settings(required channel, optional branch)`";

pub(crate) fn expand(arguments: TokenStream) -> TokenStream {
    match syn::parse2::<Arguments>(arguments) {
        Ok(arguments) => plugin(&arguments),
        Err(error) => error.into_compile_error(),
    }
}

#[derive(Default)]
struct Arguments {
    name: Option<LitStr>,
    version: Option<LitStr>,
    settings: Vec<Setting>,
    shared: Vec<LitStr>,
    handlers: Vec<Path>,
}

struct Setting {
    name: LitStr,
    required: bool,
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut arguments = Self::default();
        while !input.is_empty() {
            if input.peek(Ident::peek_any) && input.peek2(Token![=]) {
                arguments.key_value(input)?;
            } else if input.peek(Ident::peek_any) && input.peek2(syn::token::Paren) {
                arguments.list(input)?;
            } else {
                let handler: Path =
                    input.parse().map_err(|error| Error::new(error.span(), ARGUMENTS))?;
                if arguments.handlers.iter().any(|other| same(other, &handler)) {
                    return Err(Error::new_spanned(handler, "this handler is named twice"));
                }
                arguments.handlers.push(handler);
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        if arguments.handlers.is_empty() {
            let message = "a plugin has at least one handler: name a function marked `#[handler]`, as in `plugin!(notify)`";
            return Err(input.error(message));
        }
        Ok(arguments)
    }
}

impl Arguments {
    fn key_value(&mut self, input: ParseStream<'_>) -> Result<()> {
        let key = input.call(Ident::parse_any)?;
        input.parse::<Token![=]>()?;
        let slot = match key.to_string().as_str() {
            "name" => &mut self.name,
            "version" => &mut self.version,
            _ => return Err(unknown(&key)),
        };
        let value: LitStr = input
            .parse()
            .map_err(|error| Error::new(error.span(), format!("write `{key} = \"…\"`")))?;
        if slot.is_some() {
            return Err(Error::new(key.span(), format!("`{key}` is given twice")));
        }
        *slot = Some(value);
        Ok(())
    }

    fn list(&mut self, input: ParseStream<'_>) -> Result<()> {
        let key = input.call(Ident::parse_any)?;
        let content;
        syn::parenthesized!(content in input);
        match key.to_string().as_str() {
            "settings" => self.settings(&key, &content),
            "shared" => self.shared(&key, &content),
            _ => Err(unknown(&key)),
        }
    }

    fn shared(&mut self, key: &Ident, content: ParseStream<'_>) -> Result<()> {
        if !self.shared.is_empty() {
            return Err(Error::new(key.span(), "`shared` is given twice"));
        }
        while !content.is_empty() {
            let name = name(content, SHARED)?;
            if self.shared.iter().any(|shared| shared.value() == name.value()) {
                return Err(Error::new(name.span(), "this namespace is named twice"));
            }
            self.shared.push(name);
            if !content.is_empty() {
                content.parse::<Token![,]>()?;
            }
        }
        Ok(())
    }

    fn settings(&mut self, key: &Ident, content: ParseStream<'_>) -> Result<()> {
        if !self.settings.is_empty() {
            return Err(Error::new(key.span(), "`settings` is given twice"));
        }
        while !content.is_empty() {
            let word = content
                .call(Ident::parse_any)
                .map_err(|error| Error::new(error.span(), SETTINGS))?;
            let required = match word.to_string().as_str() {
                "required" => true,
                "optional" => false,
                _ => return Err(Error::new(word.span(), SETTINGS)),
            };
            let name = name(content, SETTINGS)?;
            if self.settings.iter().any(|setting| setting.name.value() == name.value()) {
                return Err(Error::new(name.span(), "this setting is named twice"));
            }
            self.settings.push(Setting { name, required });
            if !content.is_empty() {
                content.parse::<Token![,]>()?;
            }
        }
        Ok(())
    }
}

/// A name, in quotes or without.
fn name(content: ParseStream<'_>, how: &str) -> Result<LitStr> {
    if content.peek(LitStr) {
        return content.parse();
    }
    let name = content.call(Ident::parse_any).map_err(|error| Error::new(error.span(), how))?;
    Ok(LitStr::new(&name.unraw().to_string(), name.span()))
}

fn same(left: &Path, right: &Path) -> bool {
    left.to_token_stream().to_string() == right.to_token_stream().to_string()
}

fn unknown(key: &Ident) -> Error {
    Error::new(key.span(), format!("`{key}` is unknown here: {ARGUMENTS}"))
}

fn plugin(arguments: &Arguments) -> TokenStream {
    let or_package = |given: &Option<LitStr>, variable: &str| match given {
        Some(given) => quote!(#given),
        None => quote!(::core::env!(#variable)),
    };
    let name = or_package(&arguments.name, "CARGO_PKG_NAME");
    let version = or_package(&arguments.version, "CARGO_PKG_VERSION");
    let handlers = &arguments.handlers;
    let shared = &arguments.shared;
    let settings = arguments.settings.iter().map(|Setting { name, required }| {
        quote!(::hookyard_sdk::__private::Setting { name: #name, required: #required })
    });
    quote! {
        #[doc(hidden)]
        #[allow(dead_code)]
        struct HookyardPlugin;

        impl ::hookyard_sdk::__private::Plugin for HookyardPlugin {
            const NAME: &'static str = #name;
            const VERSION: &'static str = #version;
            const HANDLERS: &'static [::hookyard_sdk::__private::HandlerEntry] =
                &[#(::hookyard_sdk::__private::HandlerEntry::of::<#handlers>()),*];
            const SETTINGS: &'static [::hookyard_sdk::__private::Setting] = &[#(#settings),*];
            const SHARED: &'static [&'static str] = &[#(#shared),*];
        }

        const _: () = {
            ::hookyard_sdk::__private::check_plugin_name(
                <HookyardPlugin as ::hookyard_sdk::__private::Plugin>::NAME,
            );
            ::hookyard_sdk::__private::check_namespaces(
                <HookyardPlugin as ::hookyard_sdk::__private::Plugin>::SHARED,
            );
            ::hookyard_sdk::__private::check_handler_names(
                <HookyardPlugin as ::hookyard_sdk::__private::Plugin>::HANDLERS,
            );
        };

        #[cfg(target_arch = "wasm32")]
        ::hookyard_sdk::__private::export!(HookyardPlugin);
    }
}
