//! The command as a person in Slack uses it.

use hookyard_sdk::testing::{self, Run};

use super::*;
use crate::things::MOST;

/// A conversation: what one command leaves, the next one finds.
#[derive(Default)]
struct Slack {
    last: Option<Run>,
    scope: Option<&'static str>,
}

impl Slack {
    fn says(&mut self, user: &str, text: &str) -> String {
        self.says_in("G8PSS9T3V", user, text)
    }

    fn says_in(&mut self, channel: &str, user: &str, text: &str) -> String {
        let mut host = testing::host();
        if let Some(scope) = self.scope {
            host = host.setting("scope", scope);
        }
        if let Some(last) = &self.last {
            host = host.after(last);
        }
        let run = host.run(remember, event(channel, user, text));
        let reply = run.expect_reply();
        assert_eq!(reply.status(), 200);
        assert_eq!(reply.header("content-type"), Some("application/json"));
        let answer: Value = reply.json();
        assert_eq!(answer["response_type"], "ephemeral");
        self.last = Some(run);
        answer["text"].as_str().unwrap_or_default().to_owned()
    }

    fn count(&self) -> Option<&[u8]> {
        self.last.as_ref()?.kv("counts", "T1DC2JH3J/G8PSS9T3V/")
    }
}

/// The fields of Slack's own example.
fn event(channel: &str, user: &str, text: &str) -> Event {
    testing::event()
        .kind("/notes")
        .form([
            ("token", "xyzz0WbapA4vBCDEFasx0q6G"),
            ("team_id", "T1DC2JH3J"),
            ("team_domain", "testteamnow"),
            ("channel_id", channel),
            ("channel_name", "foobar"),
            ("user_id", user),
            ("user_name", "roadrunner"),
            ("command", "/notes"),
            ("text", text),
            (
                "response_url",
                "https://hooks.slack.com/commands/T1DC2JH3J/397700885554/96rGlfmibIGl",
            ),
            ("trigger_id", "398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"),
        ])
        .build()
}

#[test]
fn things_are_remembered_recalled_listed_and_forgotten() {
    let mut slack = Slack::default();
    assert_eq!(slack.says("U1", "list"), "Nothing is remembered yet.");
    assert_eq!(slack.says("U1", "remember WiFi  it is on\nthe fridge "), "`wifi` is remembered.");
    assert_eq!(slack.says("U1", "Remember door 4711"), "`door` is remembered.");
    assert_eq!(
        slack.says("U2", "recall wifi"),
        "it is on\nthe fridge\n_<@U1>, <!date^1767225600^{date_short_pretty} {time}|earlier>_"
    );
    assert_eq!(slack.says("U2", "list"), "`door` 4711\n`wifi` it is on …");
    assert_eq!(slack.count(), Some(&b"2"[..]));
    assert_eq!(slack.says("U2", "list wi"), "`wifi` it is on …");
    assert_eq!(slack.says("U2", "list x"), "Nothing is remembered whose name begins with `x`.");
    assert_eq!(slack.says("U2", "remember door 0815"), "`door` is remembered. It was: 4711");
    assert_eq!(slack.says("U1", "forget DOOR"), "`door` is forgotten. It was: 0815");
    assert_eq!(slack.says("U1", "forget door"), "Nothing is remembered as `door`.");
    assert_eq!(slack.says("U1", "recall door"), "Nothing is remembered as `door`.");
    assert_eq!(
        slack.says("U1", "forget wifi"),
        "`wifi` is forgotten. It was: it is on\nthe fridge"
    );
    // Not even how many there are.
    assert_eq!(slack.count(), None);
}

#[test]
fn channels_and_people_have_things_of_their_own() {
    let mut slack = Slack::default();
    slack.says_in("C1", "U1", "remember a one");
    assert_eq!(slack.says_in("C2", "U1", "list"), "Nothing is remembered yet.");
    assert_eq!(slack.says_in("C1", "U2", "list"), "`a` one");

    let mut slack = Slack { scope: Some("user"), ..Slack::default() };
    slack.says_in("C1", "U1", "remember a one");
    assert_eq!(slack.says_in("C2", "U1", "list"), "`a` one");
    assert_eq!(slack.says_in("C1", "U2", "list"), "Nothing is remembered yet.");
    assert!(slack.says("U1", "").ends_with("Only you see your things."));
}

#[test]
fn who_writes_something_else_is_told_how() {
    let mut slack = Slack::default();
    let usage = slack.says("U1", "");
    assert!(usage.starts_with("`/notes remember NAME TEXT` keeps a text"), "{usage}");
    assert_eq!(slack.says("U1", " help "), usage);
    for (text, wrong) in [
        ("dance", "That is none of the things that I can do."),
        ("remember", "A name is missing."),
        ("remember wifi", "There is nothing to remember."),
        ("recall", "A name is missing."),
        ("recall a b", "`recall` takes one word."),
        ("forget a b", "`forget` takes one word."),
        ("list a b", "`list` takes one word."),
    ] {
        assert_eq!(slack.says("U1", text), format!("{wrong}\n{usage}"), "{text}");
    }
    assert_eq!(slack.says("U1", "list"), "Nothing is remembered yet.");
}

#[test]
fn what_is_kept_is_bounded() {
    let mut slack = Slack::default();
    let name = "n".repeat(64);
    let text = "t".repeat(1000);
    assert_eq!(
        slack.says("U1", &format!("remember {name} {text}")),
        format!("`{name}` is remembered.")
    );
    let answer = slack.says("U1", &format!("remember {name}n {text}"));
    assert!(answer.starts_with("A name has at most 64 bytes; this one has 65.\n"), "{answer}");
    let answer = slack.says("U1", &format!("remember {name} {text}t"));
    assert!(answer.starts_with("A text has at most 1000 bytes; this one has 1001.\n"), "{answer}");

    for number in 1..MOST {
        assert_eq!(
            slack.says("U1", &format!("remember {number} x")),
            format!("`{number}` is remembered.")
        );
    }
    assert_eq!(
        slack.says("U1", "remember more x"),
        "There are 100 things already: forget one first."
    );
    // In place of one that is there, and elsewhere.
    assert_eq!(slack.says("U1", "remember 7 y"), "`7` is remembered. It was: x");
    assert_eq!(slack.says_in("C2", "U1", "remember more x"), "`more` is remembered.");
    slack.says("U1", "forget 7");
    assert_eq!(slack.says("U1", "remember more x"), "`more` is remembered.");
}

#[test]
fn nothing_is_shown_as_markup_but_mentions() {
    for (text, shown) in [
        ("a < b && c > d", "a &lt; b &amp;&amp; c &gt; d"),
        ("a &lt; b &amp; c", "a &lt; b &amp; c"),
        ("<!channel> look", "&lt;!channel&gt; look"),
        ("<https://evil.test|https://good.test>", "&lt;https://evil.test|https://good.test&gt;"),
        ("ask <@U012AB3CD|ada> in <#C1|general>", "ask <@U012AB3CD|ada> in <#C1|general>"),
        ("<@U1", "&lt;@U1"),
        ("<@>", "&lt;@&gt;"),
        ("<@U1|*x*>", "&lt;@U1|*x*&gt;"),
        ("<<@U1>>", "&lt;<@U1>&gt;"),
        ("grüße <é", "grüße &lt;é"),
        ("be\u{7}ll", "bell"),
    ] {
        let mut slack = Slack::default();
        slack.says("U1", &format!("remember a {text}"));
        let recalled = slack.says("U1", "recall a");
        assert_eq!(recalled.lines().next(), Some(shown), "{text}");
    }
    let mut slack = Slack::default();
    assert_eq!(slack.says("U1", "recall a`<!here>"), "Nothing is remembered as `a'&lt;!here&gt;`.");
}

#[test]
fn a_list_cuts_long_texts_where_nothing_breaks() {
    let mut slack = Slack::default();
    let filler = "é".repeat(57);
    slack.says("U1", &format!("remember a {filler}<@U012AB3CD> and more"));
    slack.says("U1", &format!("remember b {filler}x&y and more"));
    slack.says("U1", &format!("remember c {filler}xyz"));
    let listed = format!("`a` {filler} …\n`b` {filler}x …\n`c` {filler}xyz");
    assert_eq!(slack.says("U1", "list"), listed);
}

#[test]
fn what_is_no_slash_command_is_rejected() {
    let run =
        testing::run(remember, testing::event().json(&json!({ "type": "app_mention" })).build());
    assert_eq!(run.expect_rejected(), "this is no slash command: it has no field `command`");
    let run = testing::run(remember, event("C1/../x", "U1", "list"));
    assert_eq!(run.expect_rejected(), "the field `channel_id` is no id of Slack's");
    let host = testing::host().setting("scope", "team");
    let run = host.run(remember, event("C1", "U1", "list"));
    assert!(run.expect_rejected().contains("unknown variant `team`"), "{}", run.expect_rejected());
}
