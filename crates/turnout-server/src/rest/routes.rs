//! Every path of this door: requests are dispatched by this table, and the reference page is made of it.

use std::borrow::Cow;

use turnout_core::Error;
use turnout_core::route::VersionChoice;

use super::errors::Failure;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Post,
    Options,
    /// Any that no route has.
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Predict,
    Classify,
    Regress,
    Status,
    Metadata,
    Models,
    Live,
    Ready,
    Metrics,
    /// The path is a setting.
    TfServingMetrics,
}

impl Target {
    /// Whether the answer depends on the request's body.
    pub(super) fn reads_body(self) -> bool {
        matches!(self, Self::Predict | Self::Classify | Self::Regress)
    }
}

struct Route {
    method: Method,
    /// Literal text, case-insensitive, with `{model}`, `{version}` and `{label}` for parts without `/` and `:`.
    pattern: &'static str,
    target: Target,
    meaning: &'static str,
}

macro_rules! table {
    ($($method:ident $pattern:literal => $target:ident, $meaning:literal;)*) => {
        &[$(Route {
            method: Method::$method,
            pattern: $pattern,
            target: Target::$target,
            meaning: $meaning,
        },)*]
    };
}

/// In the order in which they are tried.
const ROUTES: &[Route] = table! {
    Post "/v1/models/{model}:predict" => Predict, "Predict with the default version.";
    Post "/v1/models/{model}/versions/{version}:predict" => Predict, "Predict with one version.";
    Post "/v1/models/{model}/labels/{label}:predict" => Predict, "Predict with the version of a label.";
    Post "/v1/models/{model}:classify" => Classify, "Classify Examples with the default version.";
    Post "/v1/models/{model}/versions/{version}:classify" => Classify, "Classify Examples with one version.";
    Post "/v1/models/{model}/labels/{label}:classify" => Classify, "Classify Examples with the version of a label.";
    Post "/v1/models/{model}:regress" => Regress, "A value for each Example, by the default version.";
    Post "/v1/models/{model}/versions/{version}:regress" => Regress, "A value for each Example, by one version.";
    Post "/v1/models/{model}/labels/{label}:regress" => Regress, "A value for each Example, by the version of a label.";
    Get "/v1/models/{model}" => Status, "The states of a model's versions, newest first.";
    Get "/v1/models/{model}/versions/{version}" => Status, "The state of one version.";
    Get "/v1/models/{model}/labels/{label}" => Status, "The state of a label's version.";
    Get "/v1/models/{model}/metadata" => Metadata, "The signatures of the default version.";
    Get "/v1/models/{model}/versions/{version}/metadata" => Metadata, "The signatures of one version.";
    Get "/v1/models/{model}/labels/{label}/metadata" => Metadata, "The signatures of a label's version.";
    Get "/v1/models" => Models, "All models with their versions and labels.";
    Get "/livez" => Live, "200 while the process answers.";
    Get "/readyz" => Ready, "200 while the server is ready, else 503; the body says why.";
    Get "/metrics" => Metrics, "All metrics in the Prometheus text format.";
};

/// Paths of TensorFlow Serving that leave out the model's name, which its own pattern lets pass.
const NAMELESS: &[&str] = &[
    "/v1/models/versions/{version}",
    "/v1/models/versions/{version}/metadata",
    "/v1/models/labels/{label}",
    "/v1/models/labels/{label}/metadata",
];

/// A path that a route matched.
#[derive(Debug, Default, PartialEq, Eq)]
struct Captures<'a> {
    model: &'a str,
    version: Option<&'a str>,
    label: Option<&'a str>,
}

/// What a request asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Call<'a> {
    pub(super) target: Target,
    pub(super) model: Cow<'a, str>,
    pub(super) version: Version<'a>,
}

/// The version as the path names it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Version<'a> {
    Default,
    Number(u64),
    Label(Cow<'a, str>),
}

impl Version<'_> {
    pub(super) fn choice(&self) -> VersionChoice<'_> {
        match self {
            Self::Default => VersionChoice::Default,
            Self::Number(number) => VersionChoice::Number(*number),
            Self::Label(label) => VersionChoice::Label(label),
        }
    }
}

/// Why no route takes a request.
#[derive(Debug)]
pub(super) enum Unroutable {
    Failure(Failure),
    /// The path is known; the value is the `Allow` header.
    Method(&'static str),
    Unknown,
}

impl From<Failure> for Unroutable {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

/// Every route: method, pattern and meaning.
pub fn routes() -> Vec<(&'static str, &'static str, &'static str)> {
    ROUTES
        .iter()
        .map(|route| (route.method.name(), route.pattern, route.meaning))
        .collect()
}

/// Finds what `method` and `target` of a request line ask for; `metrics_path` is the one of TensorFlow Serving's metrics. The
/// query is ignored.
pub(super) fn find<'a>(
    method: Method,
    target: &'a str,
    metrics_path: Option<&str>,
) -> Result<Call<'a>, Unroutable> {
    let path = path_of(target);
    if metrics_path == Some(path) {
        return match method {
            Method::Get => call(Target::TfServingMetrics, &Captures::default()),
            _ => Err(Unroutable::Method("GET, HEAD")),
        };
    }
    let mut other_method = None;
    for route in ROUTES {
        let Some(captures) = matches(route.pattern, path) else {
            continue;
        };
        if route.method == method {
            return call(route.target, &captures);
        }
        other_method = Some(route.method);
    }
    Err(match other_method {
        Some(Method::Post) => Unroutable::Method("POST"),
        Some(_) => Unroutable::Method("GET, HEAD"),
        None if method == Method::Get && is_nameless(path) => {
            Unroutable::Failure(Error::malformed("Missing model name in request.").into())
        }
        None => Unroutable::Unknown,
    })
}

/// Whether a path is one of the protocol's, known or not.
pub(super) fn is_of_protocol(target: &str) -> bool {
    let prefix = path_of(target).get(..4);
    prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case("/v1/"))
}

fn is_nameless(path: &str) -> bool {
    let found = NAMELESS.iter().find_map(|pattern| matches(pattern, path));
    found.is_some_and(|captures| captures.version.is_none_or(is_digits))
}

impl Method {
    fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Options => "OPTIONS",
            Self::Other => "",
        }
    }
}

/// The path of an origin-form or absolute-form target, without query and fragment.
fn path_of(target: &str) -> &str {
    let path = match target.split_once("://") {
        Some((_, rest)) if !target.starts_with('/') => {
            rest.find('/').map_or("/", |slash| &rest[slash..])
        }
        _ => target,
    };
    let end = path.find(['?', '#']).unwrap_or(path.len());
    &path[..end]
}

fn matches<'p>(pattern: &'static str, path: &'p str) -> Option<Captures<'p>> {
    let (mut pattern, mut path) = (pattern, path);
    let mut captures = Captures::default();
    loop {
        let Some(open) = pattern.find('{') else {
            return pattern.eq_ignore_ascii_case(path).then_some(captures);
        };
        let (literal, named) = pattern.split_at(open);
        path = path
            .get(..open)?
            .eq_ignore_ascii_case(literal)
            .then(|| &path[open..])?;
        let (name, behind) = named[1..].split_once('}')?;
        let end = path.find(['/', ':']).unwrap_or(path.len());
        let value = Some(&path[..end]).filter(|value| !value.is_empty())?;
        match name {
            "model" => captures.model = value,
            "version" => captures.version = Some(value),
            _ => captures.label = Some(value),
        }
        (pattern, path) = (behind, &path[end..]);
    }
}

fn call<'a>(target: Target, captures: &Captures<'a>) -> Result<Call<'a>, Unroutable> {
    let version = match (captures.version, captures.label) {
        (Some(text), _) if !is_digits(text) => return Err(Unroutable::Unknown),
        (Some(number), _) => Version::Number(parse_version(number)?),
        (None, Some(label)) => Version::Label(percent_decode(label)?),
        (None, None) => Version::Default,
    };
    Ok(Call {
        target,
        model: percent_decode(captures.model)?,
        version,
    })
}

/// Versions are signed 64-bit numbers on the wire of gRPC, so larger ones are no versions here either.
fn parse_version(text: &str) -> Result<u64, Failure> {
    let number = text
        .parse()
        .ok()
        .filter(|number| i64::try_from(*number).is_ok());
    number.ok_or_else(|| {
        Error::malformed(format!(
            "Failed to convert version: {} to numeric.",
            super::shorten(text)
        ))
        .into()
    })
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn percent_decode(text: &str) -> Result<Cow<'_, str>, Failure> {
    if !text.contains('%') {
        return Ok(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, behind)) = rest.split_first() {
        let escape = (*byte == b'%').then(|| hex_byte(behind)).flatten();
        decoded.push(escape.unwrap_or(*byte));
        rest = if escape.is_some() {
            &behind[2..]
        } else {
            behind
        };
    }
    let invalid = || {
        Error::malformed(format!(
            "a name in the path is not UTF-8: `{}`",
            super::shorten(text)
        ))
    };
    String::from_utf8(decoded)
        .map(Cow::Owned)
        .map_err(|_| invalid().into())
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    let value = |at: usize| char::from(*digits.get(at)?).to_digit(16);
    u8::try_from(value(0)? * 16 + value(1)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(method: Method, target: &str) -> Result<(Target, String, String), (u16, String)> {
        match find(method, target, Some("/monitoring/prometheus/metrics")) {
            Ok(call) => Ok((
                call.target,
                call.model.into_owned(),
                format!("{:?}", call.version),
            )),
            Err(Unroutable::Failure(failure)) => {
                Err((failure.status, failure.error.message().to_owned()))
            }
            Err(Unroutable::Method(allow)) => Err((405, allow.to_owned())),
            Err(Unroutable::Unknown) => Err((0, String::new())),
        }
    }

    #[test]
    fn paths_are_found() {
        use Method::{Get, Post};
        use Target::{
            Classify, Live, Metadata, Metrics, Models, Predict, Ready, Regress, Status,
            TfServingMetrics,
        };
        #[rustfmt::skip]
        let cases = [
            (Post, "/v1/models/m:predict", Predict, "m", "Default"),
            (Post, "/V1/Models/M:Predict", Predict, "M", "Default"),
            (Post, "/v1/models/m:predict?x=1", Predict, "m", "Default"),
            (Post, "http://host:8501/v1/models/m:predict", Predict, "m", "Default"),
            (Post, "/v1/models/m/versions/0012:predict", Predict, "m", "Number(12)"),
            (Post, "/v1/models/m/labels/a%20b:predict", Predict, "m", "Label(\"a b\")"),
            (Post, "/v1/models/a%2Fb%3Ac%zz:predict", Predict, "a/b:c%zz", "Default"),
            (Post, "/v1/models/m:classify", Classify, "m", "Default"),
            (Post, "/v1/models/m/versions/1:CLASSIFY", Classify, "m", "Number(1)"),
            (Post, "/v1/models/m/labels/l:classify", Classify, "m", "Label(\"l\")"),
            (Post, "/v1/models/m:regress", Regress, "m", "Default"),
            (Post, "/v1/models/m/versions/1:regress", Regress, "m", "Number(1)"),
            (Post, "/v1/models/m/labels/l:Regress", Regress, "m", "Label(\"l\")"),
            (Get, "/v1/models/m", Status, "m", "Default"),
            (Get, "/v1/models/versions", Status, "versions", "Default"),
            (Get, "/v1/models/m/versions/9223372036854775807", Status, "m", "Number(9223372036854775807)"),
            (Get, "/v1/models/m/labels/%C3%A9", Status, "m", "Label(\"é\")"),
            (Get, "/v1/models/m/metadata", Metadata, "m", "Default"),
            (Get, "/v1/models/m/versions/1/metadata", Metadata, "m", "Number(1)"),
            (Get, "/v1/models", Models, "", "Default"),
            (Get, "/livez", Live, "", "Default"),
            (Get, "/readyz#x", Ready, "", "Default"),
            (Get, "/metrics?name=x", Metrics, "", "Default"),
            (Get, "/monitoring/prometheus/metrics", TfServingMetrics, "", "Default"),
        ];
        for (method, path, target, model, version) in cases {
            assert_eq!(
                found(method, path),
                Ok((target, model.to_owned(), version.to_owned())),
                "{path}"
            );
        }
    }

    #[test]
    fn what_is_no_route_says_why() {
        let unknown = || Err((0, String::new()));
        let nameless = || Err((400, "Missing model name in request.".to_owned()));
        let version = |text: &str| {
            Err((
                400,
                format!("Failed to convert version: {text} to numeric."),
            ))
        };
        #[rustfmt::skip]
        let cases = [
            (Method::Get, "/v1/models/m:predict", Err((405, "POST".to_owned()))),
            (Method::Post, "/v1/models/m", Err((405, "GET, HEAD".to_owned()))),
            (Method::Other, "/livez", Err((405, "GET, HEAD".to_owned()))),
            (Method::Post, "/monitoring/prometheus/metrics", Err((405, "GET, HEAD".to_owned()))),
            (Method::Get, "/", unknown()),
            (Method::Get, "*", unknown()),
            (Method::Get, "/v1", unknown()),
            (Method::Get, "/v1/models/versions/1", nameless()),
            (Method::Get, "/V1/models/labels/x/metadata", nameless()),
            (Method::Get, "/v1/models/versions/x", unknown()),
            (Method::Post, "/v1/models/versions/1", unknown()),
            (Method::Get, "/v1/models/", unknown()),
            (Method::Get, "/v1/models/m/", unknown()),
            (Method::Post, "/v1/models/m:explode", unknown()),
            (Method::Post, "/v1/models/:predict", unknown()),
            (Method::Post, "/v1/models/m/versions/1/labels/x:predict", unknown()),
            (Method::Post, "/v1/models/m/versions/9223372036854775808:predict", version("9223372036854775808")),
            (Method::Post, "/v1/models/m/versions/one:predict", unknown()),
            (Method::Post, "/v1/models/m/versions/+1:predict", unknown()),
            (Method::Post, "/v1/models/%ff:predict", Err((400, "a name in the path is not UTF-8: `%ff`".to_owned()))),
        ];
        for (method, path, want) in cases {
            assert_eq!(found(method, path), want, "{path}");
        }
    }

    #[test]
    fn every_pattern_reaches_its_own_target() {
        for route in ROUTES {
            let path = route
                .pattern
                .replace("{model}", "m")
                .replace("{version}", "1")
                .replace("{label}", "l");
            assert_eq!(
                find(route.method, &path, None).map(|call| call.target).ok(),
                Some(route.target),
                "{path}"
            );
        }
    }
}
