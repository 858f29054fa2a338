//! What a provider offers, by name.

use std::collections::BTreeMap;

use crate::{
    DataSource, Ephemeral, Function, Resource,
    data_source::{self, AnyDataSource},
    ephemeral::{self, AnyEphemeral},
    function::{self, AnyFunction},
    resource::{self, AnyResource},
};

/// The resources, data sources, ephemeral resources and functions of a provider whose shared data is `D`.
pub struct Catalog<D> {
    pub(crate) resources: BTreeMap<&'static str, Box<dyn AnyResource<D>>>,
    pub(crate) data_sources: BTreeMap<&'static str, Box<dyn AnyDataSource<D>>>,
    pub(crate) ephemerals: BTreeMap<&'static str, Box<dyn AnyEphemeral<D>>>,
    pub(crate) functions: BTreeMap<&'static str, Box<dyn AnyFunction>>,
}

impl<D: Send + Sync + 'static> Catalog<D> {
    pub(crate) fn new() -> Self {
        Self {
            resources: BTreeMap::new(),
            data_sources: BTreeMap::new(),
            ephemerals: BTreeMap::new(),
            functions: BTreeMap::new(),
        }
    }

    /// Offers a resource.
    pub fn resource<R: Resource<Data = D>>(&mut self, resource: R) -> &mut Self {
        self.resources.insert(resource.type_name(), Box::new(resource::Entry::new(resource)));
        self
    }

    /// Offers a data source.
    pub fn data_source<S: DataSource<Data = D>>(&mut self, source: S) -> &mut Self {
        self.data_sources.insert(source.type_name(), Box::new(data_source::Entry::new(source)));
        self
    }

    /// Offers an ephemeral resource.
    pub fn ephemeral<E: Ephemeral<Data = D>>(&mut self, ephemeral: E) -> &mut Self {
        self.ephemerals.insert(ephemeral.type_name(), Box::new(ephemeral::Entry::new(ephemeral)));
        self
    }

    /// Offers a function.
    pub fn function<F: Function>(&mut self, function: F) -> &mut Self {
        self.functions.insert(function.name(), Box::new(function::Entry::new(function)));
        self
    }
}
