//! The immutable routing snapshot: which servable answers what, and what the status pages say.

use std::collections::HashMap;
use std::sync::Arc;

use turnout_core::route::{Route, RoutingTable, VersionChoice};
use turnout_core::snapshot::{ModelRoute, Readiness, Snapshot, VersionStatus};
use turnout_core::{Error, Result};

use crate::servable::Servable;

mod absent;
#[cfg(test)]
mod tests;

/// Swapped as a whole by every snapshot; requests keep the one they began with.
pub(crate) struct Routes {
    pub(crate) ready: Readiness,
    pub(crate) models: Vec<ModelRoute>,
    table: RoutingTable<Arc<Servable>>,
}

impl Routes {
    pub(crate) fn empty(reason: &str) -> Self {
        Self {
            ready: Readiness {
                ready: false,
                reason: reason.to_owned(),
            },
            models: Vec::new(),
            table: RoutingTable::default(),
        }
    }

    /// # Errors
    /// `config_invalid` when a route names a servable that is not loaded.
    pub(crate) fn build(snapshot: Snapshot, loaded: &HashMap<u64, Arc<Servable>>) -> Result<Self> {
        let routes = snapshot
            .models
            .iter()
            .map(|model| Ok((model.name.clone(), route(model, loaded)?)));
        let table = routes.collect::<Result<RoutingTable<_>>>()?;
        Ok(Self {
            ready: snapshot.ready,
            models: snapshot.models,
            table,
        })
    }

    /// Finds the servable of a request.
    ///
    /// # Errors
    /// `unavailable` while what is asked for is being loaded; else `model_not_found`, with the cause where it is known.
    pub(crate) fn resolve(&self, model: &str, choice: VersionChoice<'_>) -> Result<Arc<Servable>> {
        let found = self.table.resolve(model, choice).cloned();
        found.map_err(|error| match self.model(model) {
            Some(route) => absent::explain(error, route, choice),
            None => error,
        })
    }

    /// Every routable version: model, number, servable.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, u64, &Arc<Servable>)> {
        self.table.iter()
    }

    pub(crate) fn model(&self, name: &str) -> Option<&ModelRoute> {
        self.models.iter().find(|model| model.name == name)
    }
}

fn route(model: &ModelRoute, loaded: &HashMap<u64, Arc<Servable>>) -> Result<Route<Arc<Servable>>> {
    let find = |id: u64| {
        loaded.get(&id).cloned().ok_or_else(|| {
            Error::config_invalid(format!(
                "the route of model `{}` names a servable that is not loaded: {id}",
                model.name
            ))
        })
    };
    let named = |status: &VersionStatus| {
        Some(find(status.servable?).map(|servable| (status.version, servable)))
    };
    Ok(Route {
        default: model.default.map(find).transpose()?,
        versions: model
            .versions
            .iter()
            .filter_map(named)
            .collect::<Result<_>>()?,
        labels: model.labels.clone(),
    })
}
