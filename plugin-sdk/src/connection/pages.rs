//! Lists that come in pages.

use std::collections::VecDeque;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{RequestBuilder, Response};
use crate::Failure;

/// Most pages of one list: a service whose last page names a next one must not be asked for ever.
const MOST_PAGES: u32 = 10_000;

/// How a page says what comes after it.
///
/// ```
/// use hookyard_sdk::prelude::*;
/// use hookyard_sdk::testing;
///
/// fn count(_event: Event, host: Host) -> Outcome {
///     let next = NextPage::Cursor { field: "/meta/next", parameter: "cursor" };
///     let request = host.connection("crm").get("people");
///     let people: Vec<Value> = request.pages(next).items_at("/people").collect::<Result<_, _>>()?;
///     done().message(people.len())
/// }
///
/// let first = json!({ "people": [1, 2], "meta": { "next": "b" } });
/// let last = json!({ "people": [3], "meta": { "next": null } });
/// let host = testing::host()
///     .answer("crm", testing::response(200).json(&first))
///     .answer("crm", testing::response(200).json(&last));
/// let run = host.run(count, testing::event().build());
/// assert_eq!(run.expect_done().message(), Some("3"));
/// assert_eq!(run.requests()[1].query, [("cursor".to_owned(), "b".to_owned())]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NextPage {
    /// The header `Link` names it with `rel="next"`, as GitHub's and GitLab's do.
    Link,
    /// A field of the body has a cursor, which the next request gives as a parameter. No cursor, an
    /// empty one or `null`: the page was the last one. A whole URL in the field is followed as it is.
    Cursor {
        /// Where it is, as a JSON pointer: `/response_metadata/next_cursor`.
        field: &'static str,
        /// The parameter's name.
        parameter: &'static str,
    },
    /// Pages are numbered; one without items is the last one.
    Number {
        /// The parameter's name.
        parameter: &'static str,
        /// The number of the first page, 0 or 1.
        first: u32,
    },
}

/// The items of a list, page by page; from [`RequestBuilder::pages`].
///
/// After an error there is nothing more.
///
/// ```
/// use hookyard_sdk::prelude::*;
/// use hookyard_sdk::testing;
///
/// /// Looks for the first open issue, and asks for no more pages than it takes.
/// fn first_open(_event: Event, host: Host) -> Outcome {
///     for issue in host.connection("github").get("repos/a/b/issues").pages(NextPage::Link) {
///         let issue: Value = issue?;
///         if issue["state"] == "open" {
///             return done().message(&issue["number"]);
///         }
///     }
///     ignore("all are closed")
/// }
///
/// let first = testing::response(200)
///     .header("link", r#"<https://api.github.com/repos/a/b/issues?page=2>; rel="next""#)
///     .json(&json!([{ "number": 7, "state": "closed" }]));
/// let last = testing::response(200).json(&json!([{ "number": 5, "state": "open" }]));
/// let host = testing::host().answer("github", first).answer("github", last);
/// let run = host.run(first_open, testing::event().build());
/// assert_eq!(run.expect_done().message(), Some("5"));
/// ```
#[derive(Debug)]
#[must_use = "pages are asked for when the items are"]
pub struct Pages<T> {
    /// What asks for the next page; none after the last one.
    next: Option<RequestBuilder>,
    first: RequestBuilder,
    how: NextPage,
    /// A JSON pointer to the list in a page.
    at: String,
    number: u32,
    asked: u32,
    items: VecDeque<T>,
}

impl RequestBuilder {
    /// Asks for this list page by page; each item is a `T`, read from JSON.
    ///
    /// The list is the page itself, or what [`items_at`](Pages::items_at) says. Every page is a request
    /// of its own, with this one's headers and query.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// fn all(_event: Event, host: Host) -> Outcome {
    ///     let next = NextPage::Number { parameter: "page", first: 1 };
    ///     let names: Result<Vec<String>, Failure> =
    ///         host.connection("api").get("names").query("per_page", 2).pages(next).collect();
    ///     done().message(names?.join(" "))
    /// }
    ///
    /// let page = |names: &[&str]| testing::response(200).json(names);
    /// let host = testing::host()
    ///     .answer("api", page(&["ada", "bob"]))
    ///     .answer("api", page(&["eve"]))
    ///     .answer("api", page(&[]));
    /// let run = host.run(all, testing::event().build());
    /// assert_eq!(run.expect_done().message(), Some("ada bob eve"));
    /// ```
    pub fn pages<T: DeserializeOwned>(self, how: NextPage) -> Pages<T> {
        let number = match how {
            NextPage::Number { first, .. } => first,
            _ => 0,
        };
        let next = match how {
            NextPage::Number { parameter, first } => self.clone().query(parameter, first),
            _ => self.clone(),
        };
        let items = VecDeque::new();
        Pages { next: Some(next), first: self, how, at: String::new(), number, asked: 0, items }
    }
}

impl<T: DeserializeOwned> Pages<T> {
    /// Where in a page the list is, as a JSON pointer: `/data`.
    ///
    /// ```
    /// # use hookyard_sdk::prelude::*;
    /// fn channels(host: &Host) -> Result<Vec<Value>, Failure> {
    ///     let next = NextPage::Cursor {
    ///         field: "/response_metadata/next_cursor",
    ///         parameter: "cursor",
    ///     };
    ///     let request = host.connection("slack").get("conversations.list").query("limit", 200);
    ///     request.pages(next).items_at("/channels").collect()
    /// }
    /// ```
    pub fn items_at(mut self, pointer: &str) -> Self {
        pointer.clone_into(&mut self.at);
        self
    }

    fn turn(&mut self, request: RequestBuilder) -> Result<(), Failure> {
        if self.asked == MOST_PAGES {
            return Err(Failure::reject(format!("the list has more than {MOST_PAGES} pages")));
        }
        self.asked += 1;
        let response = request.send()?.expect_success()?;
        let mut page: Value = response.json()?;
        let next = self.after(&response, &page)?;
        let Some(list) = page.pointer_mut(&self.at).map(Value::take) else {
            return Err(Failure::reject(format!("a page has no list at `{}`", self.at)));
        };
        let items: Vec<T> = serde_json::from_value(list).map_err(|error| {
            Failure::reject(format!("a page's list is not what was expected: {error}"))
        })?;
        let last = matches!(self.how, NextPage::Number { .. }) && items.is_empty();
        self.next = next.filter(|_| !last);
        self.items.extend(items);
        Ok(())
    }

    /// The request for what comes after a page.
    fn after(
        &mut self,
        response: &Response,
        page: &Value,
    ) -> Result<Option<RequestBuilder>, Failure> {
        Ok(match self.how {
            NextPage::Link => {
                let lines = response.headers().filter(|(name, _)| *name == "link");
                let mut lines = lines.filter_map(|(_, value)| std::str::from_utf8(value).ok());
                lines.find_map(next_link).map(|url| self.at_url(url))
            }
            NextPage::Cursor { field, parameter } => match page.pointer(field) {
                None | Some(Value::Null) => None,
                Some(Value::String(cursor)) if cursor.is_empty() => None,
                Some(Value::String(url)) if url.contains("://") => Some(self.at_url(url)),
                Some(Value::String(cursor)) => Some(self.first.clone().query(parameter, cursor)),
                Some(Value::Number(cursor)) => Some(self.first.clone().query(parameter, cursor)),
                Some(_) => {
                    let what = format!("the cursor at `{field}` is neither text nor a number");
                    return Err(Failure::reject(what));
                }
            },
            NextPage::Number { parameter, .. } => {
                self.number = self.number.saturating_add(1);
                Some(self.first.clone().query(parameter, self.number))
            }
        })
    }

    /// The same request at a URL that has its whole query; the daemon checks that it is below the base.
    fn at_url(&self, url: &str) -> RequestBuilder {
        let mut next = self.first.clone();
        url.clone_into(&mut next.call.path);
        next.call.query.clear();
        next
    }
}

impl<T: DeserializeOwned> Iterator for Pages<T> {
    type Item = Result<T, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(item) = self.items.pop_front() {
                return Some(Ok(item));
            }
            let request = self.next.take()?;
            if let Err(failure) = self.turn(request) {
                self.next = None;
                return Some(Err(failure));
            }
        }
    }
}

/// The URL of `rel="next"` in a header `Link`.
fn next_link(header: &str) -> Option<&str> {
    let mut rest = header;
    loop {
        let (_, after) = rest.split_once('<')?;
        let (url, after) = after.split_once('>')?;
        // Its parameters end where the next link begins.
        let end = after.find('<').unwrap_or(after.len());
        let (parameters, others) = after.split_at_checked(end)?;
        let is_next = parameters.split([';', ',']).any(|parameter| {
            let Some((name, value)) = parameter.split_once('=') else { return false };
            let mut relations = value.trim().trim_matches('"').split_ascii_whitespace();
            name.trim().eq_ignore_ascii_case("rel")
                && relations.any(|relation| relation.eq_ignore_ascii_case("next"))
        });
        if is_next {
            return Some(url);
        }
        rest = others;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_link_is_found() {
        for (header, url) in [
            (r#"<https://a.test/?page=2>; rel="next""#, Some("https://a.test/?page=2")),
            (
                r#"<https://a.test/1>; rel="prev", <https://a.test/3>; rel="next""#,
                Some("https://a.test/3"),
            ),
            ("<https://a.test/2>; rel=next", Some("https://a.test/2")),
            (r#"<https://a.test/2>; title="a"; REL="last next""#, Some("https://a.test/2")),
            (r#"<https://a.test/a,b;c>; rel="next""#, Some("https://a.test/a,b;c")),
            (r#"<https://a.test/2>; rel="last""#, None),
            (r#"<https://a.test/2; rel="next""#, None),
            ("", None),
        ] {
            assert_eq!(next_link(header), url, "{header}");
        }
    }
}
