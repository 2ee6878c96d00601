//! A plugin that records pushes to one branch of a GitHub repository.
#![forbid(unsafe_code)]

use hookyard_sdk::prelude::*;

/// The part of GitHub's `push` payload that is read.
#[derive(Deserialize)]
struct Push {
    r#ref: String,
    #[serde(default)]
    deleted: bool,
    repository: Repository,
    pusher: Pusher,
    commits: Vec<Commit>,
}

#[derive(Deserialize)]
struct Repository {
    full_name: String,
}

#[derive(Deserialize)]
struct Pusher {
    name: String,
}

#[derive(Deserialize)]
struct Commit {
    id: String,
    message: String,
}

/// Records each push to the branch of its setting.
#[handler(kinds("push"))]
fn record(event: Event, host: Host) -> Outcome {
    let branch: String = host.setting_or("branch", "main".to_owned())?;
    let push: Push = event.json()?;

    if push.r#ref != format!("refs/heads/{branch}") {
        return ignore(format!("{} is not the branch `{branch}`", push.r#ref));
    }
    if push.deleted {
        return ignore(format!("the branch `{branch}` was deleted"));
    }

    let Push { repository: Repository { full_name }, pusher, commits, .. } = &push;
    let summary = match commits.len() {
        1 => format!("pushed 1 commit to {full_name} by {}", pusher.name),
        count => format!("pushed {count} commits to {full_name} by {}", pusher.name),
    };
    info!(repository = full_name, branch, commits = commits.len(); "{summary}");

    let commits: Vec<_> = commits
        .iter()
        .map(|commit| json!({ "id": commit.id, "title": commit.message.lines().next() }))
        .collect();
    reply(200)
        .json(&json!({
            "repository": full_name,
            "branch": branch,
            "pusher": pusher.name,
            "commits": commits,
        }))
        .message(summary)
}

hookyard_sdk::plugin!(record, settings(optional branch));

#[cfg(test)]
mod tests {
    use hookyard_sdk::testing;

    use super::*;

    fn push(changed: &[(&str, Value)]) -> Event {
        let mut payload = json!({
            "ref": "refs/heads/main",
            "deleted": false,
            "repository": { "full_name": "octo/hello", "private": false },
            "pusher": { "name": "mona", "email": "mona@example.com" },
            "commits": [
                { "id": "6113728f", "message": "Fix the door\n\nIt did not close." },
                { "id": "b8f9a1c2", "message": "Paint it" },
            ],
        });
        for (key, value) in changed {
            payload[*key] = value.clone();
        }
        testing::event().kind("push").json(&payload).build()
    }

    #[test]
    fn records_a_push_to_the_main_branch() {
        let run = testing::run(record, push(&[]));
        assert_eq!(run.expect_done().message(), Some("pushed 2 commits to octo/hello by mona"));
        assert_eq!(
            run.expect_reply().json::<Value>(),
            json!({
                "repository": "octo/hello",
                "branch": "main",
                "pusher": "mona",
                "commits": [
                    { "id": "6113728f", "title": "Fix the door" },
                    { "id": "b8f9a1c2", "title": "Paint it" },
                ],
            })
        );
        let [line] = run.logs() else { panic!("one line, not {:?}", run.logs()) };
        assert_eq!(line.message, "pushed 2 commits to octo/hello by mona");
        assert_eq!(line.field("repository"), Some("octo/hello"));
        assert_eq!(line.field("commits"), Some("2"));
    }

    #[test]
    fn ignores_other_branches_tags_and_deletions() {
        for (changed, reason) in [
            (("ref", json!("refs/heads/dev")), "refs/heads/dev is not the branch `main`"),
            (("ref", json!("refs/tags/main")), "refs/tags/main is not the branch `main`"),
            (("deleted", json!(true)), "the branch `main` was deleted"),
        ] {
            let run = testing::run(record, push(&[changed]));
            assert_eq!(run.expect_ignored(), reason);
            assert!(run.logs().is_empty());
        }
    }

    #[test]
    fn the_branch_is_a_setting() {
        let host = || testing::host().setting("branch", "release");
        let release = push(&[("ref", json!("refs/heads/release"))]);
        host().run(record, release).expect_done();
        host().run(record, push(&[])).expect_ignored();

        let run = testing::host().setting("branch", 7).run(record, push(&[]));
        assert!(run.expect_rejected().starts_with("the setting `branch`"));
    }

    #[test]
    fn what_is_not_a_push_is_rejected_with_the_reason() {
        let run = testing::run(record, testing::event().kind("push").text("payload=").build());
        assert!(run.expect_rejected().contains("expected value at line 1"));
        let run = testing::run(record, push(&[("commits", Value::Null)]));
        assert!(run.expect_rejected().contains("expected a sequence"));
    }
}
