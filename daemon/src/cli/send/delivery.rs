//! A delivery as its sender makes it: the kind, the id and the time where that sender puts them.

use std::fmt::Write as _;

use anyhow::{Context, bail};
use data_encoding::BASE64;
use hookyard_verify::{
    Location, Profile, Request, Scheme, TimestampFormat, TimestampPlace, UnixTime,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Value, json};
use uuid::Uuid;

/// A request in the making.
#[derive(Debug)]
pub(super) struct Delivery {
    profile: &'static Profile,
    pub(super) request: Request,
}

impl Delivery {
    pub(super) fn new(
        profile: &'static Profile,
        method: Method,
        url: &str,
        body: Vec<u8>,
    ) -> anyhow::Result<Self> {
        let uri: http::Uri = url.parse().with_context(|| format!("{url} is not a URL"))?;
        if uri.host().is_none() {
            bail!("{url} has no host; write it with `http://` or `https://`");
        }
        let request = Request {
            method,
            path: uri.path().to_owned(),
            query: uri.query().map(str::to_owned),
            url: url.to_owned(),
            params: Vec::new(),
            headers: HeaderMap::new(),
            body: body.into(),
        };
        Ok(Self { profile, request })
    }

    pub(super) fn header(&mut self, name: HeaderName, value: HeaderValue) {
        self.request.headers.insert(name, value);
    }

    /// Puts the kind and the id where the sender has them, and the time where it is in the body.
    /// What a body has already stays, unless it is given here.
    pub(super) fn name(
        &mut self,
        kind: Option<&str>,
        id: Option<&str>,
        now: UnixTime,
    ) -> anyhow::Result<()> {
        if let Some(kind) = kind {
            let place = self.profile.kind.first();
            let place = place.with_context(|| format!("{} says no kind", self.profile.title))?;
            self.put(place, kind.into())?;
        }
        match (self.profile.delivery_id.first(), id) {
            (Some(place), Some(id)) => self.put(place, id.into())?,
            (Some(place @ Location::Header(name)), None)
                if !self.request.headers.contains_key(name.as_ref()) =>
            {
                self.put(place, Uuid::now_v7().to_string().into())?;
            }
            (Some(Location::Json(pointer)), None) => {
                // A body that is not the sender's own JSON has its id in itself, or none.
                if let Ok(mut body) = self.json()
                    && body.pointer(pointer).is_none()
                    && set(&mut body, pointer, Uuid::now_v7().to_string().into())
                {
                    self.request.body = body.to_string().into();
                }
            }
            (None, Some(_)) => bail!("{} says no id of a delivery", self.profile.title),
            _ => {}
        }
        let ways = match self.profile.scheme {
            Scheme::FirstOf(ways) => ways.as_ref(),
            one => std::slice::from_ref(one),
        };
        for way in ways {
            if let Scheme::Template(template) = way
                && let Some(rule) = &template.timestamp
                && let TimestampPlace::Body(pointer) = &rule.at
            {
                let time = match rule.format {
                    TimestampFormat::Millis => now.as_millis(),
                    _ => now.as_secs(),
                };
                self.put(&Location::Json(pointer.clone()), time.into())?;
            }
            if let Scheme::Template(template) = way
                && let Some(header) = &template.id_header
                && !self.request.headers.contains_key(header.as_ref())
            {
                self.put(&Location::Header(header.clone()), Uuid::now_v7().to_string().into())?;
            }
        }
        Ok(())
    }

    fn put(&mut self, place: &Location, value: Value) -> anyhow::Result<()> {
        let text = match &value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        match place {
            Location::Header(name) => {
                let name: HeaderName = name.parse()?;
                self.header(name, text.parse().context("this cannot be a header's value")?);
            }
            Location::Json(pointer) => {
                let mut body = self.json().context("the body has to be JSON for this sender")?;
                if !set(&mut body, pointer, value) {
                    bail!("the body has no place for `{pointer}`");
                }
                self.request.body = body.to_string().into();
            }
            Location::Form(field) => {
                let others =
                    form_urlencoded::parse(&self.request.body).filter(|(key, _)| key != field);
                let mut form = form_urlencoded::Serializer::new(String::new());
                form.extend_pairs(others).append_pair(field, &text);
                self.request.body = form.finish().into();
            }
            other => bail!("{other} is part of the URL: write it there"),
        }
        Ok(())
    }

    fn json(&self) -> serde_json::Result<Value> {
        serde_json::from_slice(&self.request.body)
    }

    /// The delivery's id, where the sender has one.
    pub(super) fn id(&self) -> Option<String> {
        self.profile.delivery_id.iter().find_map(|place| place.find(&self.request))
    }

    /// `url` with what the sender writes into the query.
    pub(super) fn address(&self, url: &str) -> String {
        let bare = url.split_once('?').map_or(url, |(bare, _)| bare);
        match &self.request.query {
            Some(query) => format!("{bare}?{query}"),
            None => bare.to_owned(),
        }
    }

    /// As it would go over the wire, or as a captured request for `hookyard verify`.
    pub(super) fn shown(&self, url: &str, as_json: bool) -> String {
        let request = &self.request;
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        if as_json {
            let headers: serde_json::Map<String, Value> =
                request.headers.iter().map(|(n, v)| (n.to_string(), text(v).into())).collect();
            let captured = json!({
                "provider": self.profile.name,
                "method": request.method.as_str(),
                "url": request.url,
                "headers": headers,
                "body_base64": BASE64.encode(&request.body),
            });
            return format!("{captured:#}\n");
        }
        let mut shown = format!("{} {}\n", request.method, self.address(url));
        for (name, value) in &request.headers {
            // Writing into a string does not fail.
            let _ = writeln!(shown, "{name}: {}", text(value));
        }
        shown + "\n" + &String::from_utf8_lossy(&request.body) + "\n"
    }
}

/// Sets what `pointer` names, and makes the objects on the way to it.
fn set(body: &mut Value, pointer: &str, value: Value) -> bool {
    let mut place = body;
    for token in pointer.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        place = match place {
            Value::Object(object) => object.entry(token).or_insert_with(|| json!({})),
            Value::Array(items) => match token.parse().ok().and_then(|at: usize| items.get_mut(at))
            {
                Some(item) => item,
                None => return false,
            },
            _ => return false,
        };
    }
    *place = value;
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(provider: &str, body: &str) -> Delivery {
        let profile = hookyard_verify::profile(provider).expect(provider);
        let url = "https://hooks.example.com/in?a=1";
        Delivery::new(profile, Method::POST, url, body.into()).expect("a URL")
    }

    const NOW: UnixTime = UnixTime::from_secs(1_750_000_000);

    #[test]
    fn kind_and_id_are_where_the_sender_puts_them() {
        let mut github = delivery("github", "{}");
        github.name(Some("push"), Some("7"), NOW).expect("named");
        assert_eq!(github.request.headers["x-github-event"], "push");
        assert_eq!(github.request.headers["x-github-delivery"], "7");

        let mut stripe = delivery("stripe", r#"{"id":"evt_1","object":"event"}"#);
        stripe.name(Some("invoice.paid"), None, NOW).expect("named");
        let body = stripe.json().expect("json");
        assert_eq!(body, json!({ "id": "evt_1", "object": "event", "type": "invoice.paid" }));
        assert_eq!(stripe.id().as_deref(), Some("evt_1"));

        let mut new = delivery("stripe", "{}");
        new.name(None, None, NOW).expect("named");
        assert!(new.id().is_some());
        let mut twice = delivery("github", "{}");
        twice.name(None, None, NOW).expect("named");
        assert!(twice.id().is_some_and(|id| Some(id) != new.id()));
    }

    #[test]
    fn a_time_in_the_body_is_now() {
        let mut linear = delivery("linear", "{}");
        linear.name(None, None, NOW).expect("named");
        assert_eq!(linear.json().expect("json")["webhookTimestamp"], NOW.as_millis());
    }

    #[test]
    fn what_has_no_place_is_said() {
        let error = |mut delivery: Delivery, kind, id| {
            delivery.name(kind, id, NOW).expect_err("no place").to_string()
        };
        assert_eq!(error(delivery("airtable", "{}"), Some("x"), None), "Airtable says no kind");
        assert_eq!(
            error(delivery("airtable", "{}"), None, Some("x")),
            "Airtable says no id of a delivery"
        );
        assert!(error(delivery("stripe", "a=b"), Some("x"), None).contains("has to be JSON"));
        assert!(error(delivery("stripe", "[]"), Some("x"), None).contains("no place for `/type`"));
        let profile = hookyard_verify::profile("stripe").expect("known");
        assert!(Delivery::new(profile, Method::POST, "/in", Vec::new()).is_err());
    }
}
