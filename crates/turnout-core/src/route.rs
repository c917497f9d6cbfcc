//! From the name, version or label of a request to the servable that answers it. An immutable table, swapped as a whole.

use std::collections::HashMap;

use crate::{Error, Result};

/// Which version a request asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VersionChoice<'a> {
    #[default]
    Default,
    Number(u64),
    Label(&'a str),
}

/// The routes of one model.
#[derive(Clone, Debug)]
pub struct Route<S> {
    /// What requests without a version get.
    pub default: Option<S>,
    pub versions: Vec<(u64, S)>,
    pub labels: HashMap<String, u64>,
}

/// All routes. `S` is a shared servable.
#[derive(Clone, Debug)]
pub struct RoutingTable<S>(HashMap<String, Route<S>>);

impl<S> Default for RoutingTable<S> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<S> FromIterator<(String, Route<S>)> for RoutingTable<S> {
    fn from_iter<I: IntoIterator<Item = (String, Route<S>)>>(routes: I) -> Self {
        Self(routes.into_iter().collect())
    }
}

impl<S> RoutingTable<S> {
    /// Every routable version: model, number, servable.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64, &S)> {
        self.0.iter().flat_map(|(model, route)| {
            route
                .versions
                .iter()
                .map(move |(version, servable)| (model.as_str(), *version, servable))
        })
    }

    /// Finds the servable of a request.
    ///
    /// # Errors
    /// `model_not_found` with TensorFlow Serving's text, which clients match on. An unknown label is one too; the doors of
    /// that protocol answer it with 400 and `INVALID_ARGUMENT`.
    pub fn resolve(&self, model: &str, choice: VersionChoice<'_>) -> Result<&S> {
        let not_found = || Error::model_not_found(not_found_text(model, choice));
        let route = self.0.get(model).ok_or_else(not_found)?;
        let number = match choice {
            VersionChoice::Default => return route.default.as_ref().ok_or_else(not_found),
            VersionChoice::Number(number) => number,
            VersionChoice::Label(label) => *route.labels.get(label).ok_or_else(not_found)?,
        };
        let found = route
            .versions
            .iter()
            .find(|(version, _)| *version == number);
        found.map(|(_, servable)| servable).ok_or_else(not_found)
    }
}

fn not_found_text(model: &str, choice: VersionChoice<'_>) -> String {
    match choice {
        VersionChoice::Default => format!("Servable not found for request: Latest({model})"),
        VersionChoice::Number(number) => {
            format!("Servable not found for request: Specific({model}, {number})")
        }
        VersionChoice::Label(label) => format!("Unrecognized servable version label: {label}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolves_default_number_and_label() {
        let labels = HashMap::from([("stable".to_owned(), 1), ("gone".to_owned(), 9)]);
        let route = Route {
            default: Some("two"),
            versions: vec![(1, "one"), (2, "two")],
            labels,
        };
        let table: RoutingTable<_> = [("m".to_owned(), route)].into_iter().collect();
        let cases = [
            ("m", VersionChoice::Default, Ok("two")),
            ("m", VersionChoice::Number(1), Ok("one")),
            ("m", VersionChoice::Label("stable"), Ok("one")),
            (
                "m",
                VersionChoice::Number(3),
                Err("Servable not found for request: Specific(m, 3)"),
            ),
            (
                "m",
                VersionChoice::Label("gone"),
                Err("Unrecognized servable version label: gone"),
            ),
            (
                "n",
                VersionChoice::Default,
                Err("Servable not found for request: Latest(n)"),
            ),
        ];
        for (model, choice, want) in cases {
            let got = table
                .resolve(model, choice)
                .copied()
                .map_err(|error| error.message().to_owned());
            assert_eq!(got, want.map_err(str::to_owned), "{model} {choice:?}");
        }
    }
}
