//! The data source `thing_thing`.

use tfplugin::{Attr, Context, DataSource, Diagnostic, Diagnostics, Schema, async_trait};

use crate::store::Store;

/// Looks a thing up by name.
#[derive(Debug, Clone, Schema)]
pub struct Model {
    /// Name.
    #[tf(required)]
    pub name: Attr<String>,
    /// Identifier.
    #[tf(computed)]
    pub id: Attr<String>,
    /// Size in MiB.
    #[tf(computed)]
    pub size: Attr<i64>,
    /// How many bytes the password had.
    #[tf(computed)]
    pub password_length: Attr<i64>,
}

/// The data source.
pub struct Lookup;

#[async_trait]
impl DataSource for Lookup {
    type Data = Store;
    type Model = Model;

    fn type_name(&self) -> &'static str {
        "thing_thing"
    }

    async fn read(&self, cx: &mut Context<Store>, mut config: Model) -> Result<Model, Diagnostics> {
        let name = config.name.require()?.clone();
        let Some(record) = cx.data()?.get(&name)? else {
            return Err(Diagnostic::error(format!("There is no thing {name:?}"), "").at("name").into());
        };
        config.id = format!("thing/{name}").into();
        config.size = record.size.into();
        config.password_length = i64::try_from(record.password_length).unwrap_or(i64::MAX).into();
        Ok(config)
    }
}
