//! `plugin!`.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{Error, Ident, LitStr, Path, Result, Token};

const ARGUMENTS: &str = "`plugin!` takes handlers, `consumers(…)`, `schedules(…)`, `name = \"…\"`, `version = \"…\"`, `settings(required …, optional …)`, `topics(…)`, `connections(…)`, `secrets(…)` and `shared(…)`";
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
    uses: Vec<Use>,
    handlers: Vec<Listed>,
}

/// A handler, and the trigger in whose list it stands.
struct Listed {
    trigger: &'static str,
    path: Path,
}

/// The lists of handlers that are no webhooks, each with the trigger.
const TRIGGERS: [(&str, &str); 2] = [("consumers", "consumer"), ("schedules", "schedule")];

/// Something that config.toml has to grant by name.
struct Use {
    of: &'static Named,
    name: LitStr,
}

/// The list of what a plugin uses of one capability.
struct Named {
    list: &'static str,
    capability: &'static str,
    /// One entry of it, for messages.
    what: &'static str,
    how: &'static str,
}

const NAMED: [Named; 4] = [
    Named {
        list: "shared",
        capability: "kv",
        what: "namespace",
        how: "write the namespaces that plugins share as `shared(customers)`",
    },
    Named {
        list: "topics",
        capability: "queue",
        what: "topic",
        how: "write the topics that the plugin sends to as `topics(emails)`",
    },
    Named {
        list: "connections",
        capability: "connection",
        what: "connection",
        how: "write the connections that the plugin uses as `connections(slack)`",
    },
    Named {
        list: "secrets",
        capability: "secret",
        what: "secret",
        how: "write the secrets that the plugin reads as `secrets(api_key)`",
    },
];

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
                arguments.handler(input, "webhook")?;
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
    fn handler(&mut self, input: ParseStream<'_>, trigger: &'static str) -> Result<()> {
        let path: Path = input.parse().map_err(|error| Error::new(error.span(), ARGUMENTS))?;
        if self.handlers.iter().any(|other| same(&other.path, &path)) {
            return Err(Error::new_spanned(path, "this handler is named twice"));
        }
        self.handlers.push(Listed { trigger, path });
        Ok(())
    }

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
        let list = key.to_string();
        if list == "settings" {
            return self.settings(&key, &content);
        }
        if let Some((_, trigger)) = TRIGGERS.into_iter().find(|(name, _)| *name == list) {
            return self.handlers_of(&key, trigger, &content);
        }
        match NAMED.iter().find(|named| named.list == list) {
            Some(named) => self.uses(&key, named, &content),
            None => Err(unknown(&key)),
        }
    }

    fn handlers_of(
        &mut self,
        key: &Ident,
        trigger: &'static str,
        content: ParseStream<'_>,
    ) -> Result<()> {
        if self.handlers.iter().any(|listed| listed.trigger == trigger) {
            return Err(Error::new(key.span(), format!("`{key}` is given twice")));
        }
        while !content.is_empty() {
            self.handler(content, trigger)?;
            if !content.is_empty() {
                content.parse::<Token![,]>()?;
            }
        }
        Ok(())
    }

    fn uses(&mut self, key: &Ident, of: &'static Named, content: ParseStream<'_>) -> Result<()> {
        let Named { list, what, how, .. } = of;
        if self.uses.iter().any(|used| used.of.list == *list) {
            return Err(Error::new(key.span(), format!("`{list}` is given twice")));
        }
        while !content.is_empty() {
            let name = name(content, how)?;
            let twice = |used: &Use| used.of.list == *list && used.name.value() == name.value();
            if self.uses.iter().any(twice) {
                return Err(Error::new(name.span(), format!("this {what} is named twice")));
            }
            self.uses.push(Use { of, name });
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
    let handlers = arguments.handlers.iter().map(|Listed { trigger, path }| {
        let of = Ident::new(trigger, Span::call_site());
        quote_spanned!(path.span()=> ::hookyard_sdk::__private::HandlerEntry::#of::<#path>())
    });
    let mut exports = vec!["manifest"];
    for Listed { trigger, .. } in &arguments.handlers {
        if !exports.contains(trigger) {
            exports.push(trigger);
        }
    }
    let exports = exports.into_iter().map(|interface| Ident::new(interface, Span::call_site()));
    let uses = arguments.uses.iter().map(|Use { of, name }| {
        let capability = of.capability;
        quote!(::hookyard_sdk::__private::Need { capability: #capability, name: #name })
    });
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
                &[#(#handlers),*];
            const SETTINGS: &'static [::hookyard_sdk::__private::Setting] = &[#(#settings),*];
            const USES: &'static [::hookyard_sdk::__private::Need] = &[#(#uses),*];
        }

        const _: () = {
            ::hookyard_sdk::__private::check_plugin_name(
                <HookyardPlugin as ::hookyard_sdk::__private::Plugin>::NAME,
            );
            ::hookyard_sdk::__private::check_needs(
                <HookyardPlugin as ::hookyard_sdk::__private::Plugin>::USES,
            );
            ::hookyard_sdk::__private::check_handler_names(
                <HookyardPlugin as ::hookyard_sdk::__private::Plugin>::HANDLERS,
            );
        };

        #(
            #[cfg(target_arch = "wasm32")]
            ::hookyard_sdk::__private::export!(HookyardPlugin #exports);
        )*
    }
}
