//! An author's mistake is a compile error that says what to do. What the compiler adds to it changes
//! with its version, so that these look at the macros' own words only.

use proc_macro2::TokenStream;
use quote::quote;

use crate::{handler, plugin};

#[track_caller]
fn says(expanded: &TokenStream, expected: &str) {
    let text = expanded.to_string();
    assert!(text.contains("compile_error"), "this compiles: {text}");
    assert!(text.contains(expected), "`{expected}` is not in {text}");
}

#[track_caller]
fn compiles(expanded: &TokenStream) {
    assert!(!expanded.to_string().contains("compile_error"), "{expanded}");
}

#[test]
fn a_wrong_signature_is_answered_with_the_right_one() {
    let right = "a handler is `fn name(event: Event, host: Host) -> Outcome`";
    for (function, what) in [
        (
            quote!(
                fn f() -> Outcome {}
            ),
            "this function takes no arguments",
        ),
        (
            quote!(
                fn f(event: Event) -> Outcome {}
            ),
            "one argument is missing",
        ),
        (
            quote!(
                fn f(a: A, b: B, c: C) -> Outcome {}
            ),
            "these are too many arguments",
        ),
        (
            quote!(
                fn f(&self, host: Host) -> Outcome {}
            ),
            "not a method",
        ),
        (
            quote!(
                fn f(event: Event, host: Host) {}
            ),
            "returns nothing; end it with `done()`",
        ),
        (
            quote!(
                async fn f(event: Event, host: Host) -> Outcome {}
            ),
            "not `async`",
        ),
        (
            quote!(
                fn f<T>(event: T, host: Host) -> Outcome {}
            ),
            "no generic parameters",
        ),
        (
            quote!(
                struct F;
            ),
            "`#[handler]` goes on a function",
        ),
    ] {
        let expanded = handler::expand(TokenStream::new(), function);
        says(&expanded, what);
        says(&expanded, right);
    }
}

#[test]
fn wrong_arguments_of_handler_name_the_right_ones() {
    for (arguments, what) in [
        (quote!(kind("push")), "`kind` is unknown here: `#[handler]` takes `kinds("),
        (quote!("push"), "`#[handler]` takes `kinds("),
        (quote!(kinds = "push"), "write the kinds as `kinds("),
        (quote!(kinds(push)), "write the kinds as `kinds("),
        (quote!(kinds()), "leave `kinds` away to be offered every event"),
        (quote!(kinds("a", "a")), "this kind is named twice"),
        (quote!(name = notify), "write the name in quotes"),
        (quote!(name = "a", name = "b"), "`name` is given twice"),
        (quote!(name = "Notify Me"), "lower-case letters, digits, `-` and `_`"),
    ] {
        let function = quote!(
            fn notify(event: Event, host: Host) -> Outcome {}
        );
        says(&handler::expand(arguments, function), what);
    }
}

#[test]
fn the_description_is_the_first_line_of_the_documentation() {
    let function = quote! {
        /// Notes paid invoices.
        /// And nothing else.
        pub(crate) fn note(event: Event, host: Host) -> Outcome {}
    };
    let expanded = handler::expand(quote!(name = "note-paid", kinds("invoice.paid",)), function);
    compiles(&expanded);
    let text = expanded.to_string();
    for expected in [
        "DESCRIPTION : & 'static str = \"Notes paid invoices.\"",
        "NAME : & 'static str = \"note-paid\"",
        "& [\"invoice.paid\"]",
    ] {
        assert!(text.contains(expected), "`{expected}` is not in {text}");
    }
}

#[test]
fn a_function_named_like_a_word_of_rust_is_a_handler() {
    let function = quote!(
        fn r#match(event: Event, host: Host) -> Outcome {}
    );
    let expanded = handler::expand(quote!(), function);
    compiles(&expanded);
    assert!(expanded.to_string().contains("NAME : & 'static str = \"match\""), "{expanded}");
}

#[test]
fn wrong_arguments_of_plugin_name_the_right_ones() {
    for (arguments, what) in [
        (quote!(), "a plugin has at least one handler"),
        (quote!(name = "empty"), "a plugin has at least one handler"),
        (quote!(notify, notify), "this handler is named twice"),
        (quote!("notify"), "`plugin!` takes handlers, `consumers"),
        (quote!(notify, setting(branch)), "`setting` is unknown here"),
        (quote!(notify, title = "x"), "`title` is unknown here"),
        (quote!(notify, name = orders), "write `name = "),
        (quote!(notify, settings(branch)), "write the settings as `settings(required channel"),
        (quote!(notify, settings(required a, optional a)), "this setting is named twice"),
        (quote!(notify, shared(a, a)), "this namespace is named twice"),
        (quote!(notify, shared(a), shared(b)), "`shared` is given twice"),
        (quote!(notify, topics(a, a)), "this topic is named twice"),
        (quote!(notify, topics(a), topics(b)), "`topics` is given twice"),
        (quote!(notify, consumers(notify)), "this handler is named twice"),
        (quote!(consumers(a), consumers(b)), "`consumers` is given twice"),
        (quote!(schedules()), "a plugin has at least one handler"),
    ] {
        says(&plugin::expand(arguments), what);
    }
    compiles(&plugin::expand(quote! {
        hooks::notify, tell, name = "orders", settings(required "api-key", optional r#type),
    }));
}

#[test]
fn a_plugin_exports_the_interfaces_of_the_lists_that_it_has() {
    for (arguments, exported, not_exported) in [
        (quote!(notify, shared(a), topics(a)), ["manifest", "webhook"], ["consumer", "schedule"]),
        (quote!(consumers(work)), ["manifest", "consumer"], ["webhook", "schedule"]),
        (quote!(schedules(a::nightly)), ["manifest", "schedule"], ["webhook", "consumer"]),
    ] {
        let expanded = plugin::expand(arguments);
        compiles(&expanded);
        let text = expanded.to_string();
        let has = |interface| text.contains(&format!("export ! (HookyardPlugin {interface})"));
        assert!(exported.into_iter().all(has), "{text}");
        assert!(!not_exported.into_iter().any(has), "{text}");
    }
}

#[test]
fn the_first_argument_says_what_a_handler_handles() {
    for input in ["Event", "Message", "Firing"] {
        let ty = proc_macro2::Ident::new(input, proc_macro2::Span::call_site());
        let function = quote!(
            fn work(input: prelude::#ty, host: Host) -> Outcome {}
        );
        let expanded = handler::expand(quote!(), function.clone());
        compiles(&expanded);
        let text = expanded.to_string();
        assert!(text.contains(&format!("Handler < :: hookyard_sdk :: {input} >")), "{text}");
        if input != "Event" {
            says(&handler::expand(quote!(kinds("a")), function), "has no kind");
        }
    }
}
