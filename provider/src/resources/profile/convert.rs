//! `underlay_profile` to the API and back.

use std::{collections::BTreeMap, time::Duration};

use tfplugin::Attr;
use underlay_proto::v1 as pb;

use super::model::{Declaration, File, Model};
use crate::{
    client::Client,
    planned::Planned,
    resources::object::{Mirror, fields},
    values,
    written::{Fit, entries, nested, plain, seen_map, seen_number, seen_text, settled},
};

impl Mirror for Model {
    type Noun = pb::Profile;
    const WAIT: Duration = Duration::from_secs(2 * 60);
    const DELETE: Duration = Duration::from_secs(5 * 60);

    fields!(id);

    fn reopen(&mut self) {
        self.phase = Attr::Unknown;
    }

    fn put(
        client: &Client,
        plan: &Self,
        config: &Self,
        prior: Option<&Self>,
        options: pb::PutOptions,
    ) -> Fit<pb::PutProfileRequest> {
        let key = client.key(plan.name.require()?);
        let before = prior.map(|prior| &prior.secret_values_version);
        let (noted, secret_values) =
            values::secrets(&config.secret_values_wo, &plan.secret_values_version, before)?;
        let spec = pb::ProfileSpec {
            schema: entries(&plan.schema, declaration)?,
            values: values::values("values", &plan.values)?,
            secret_values: noted,
            files: entries(&plan.files, file)?,
        };
        Ok(pb::PutProfileRequest { key: Some(key), spec: Some(spec), options: Some(options), secret_values })
    }

    fn foretell(planned: &Planned, put: &pb::PutProfileRequest) {
        let (Some(key), Some(mut spec)) = (&put.key, put.spec.clone()) else { return };
        // The server notes the types of what is sealed. What is given here is of the types that are declared, or the
        // profile's own plan fails.
        let names = put
            .secret_values
            .as_ref()
            .and_then(|text| serde_json::from_str::<BTreeMap<String, serde::de::IgnoredAny>>(text).ok());
        match (&mut spec.secret_values, names) {
            (Some(noted), Some(names)) => {
                let declared = |name: &String| Some((name.clone(), spec.schema.get(name)?.r#type.clone()));
                noted.types = names.keys().filter_map(declared).collect();
            }
            // Which those are that stay as they are knows only the server.
            (Some(_), None) => return,
            (None, _) => {}
        }
        planned.profile(&key.name, spec);
    }

    fn read(prior: &Self, profile: &pb::Profile) -> Self {
        let meta = profile.meta.clone().unwrap_or_default();
        let spec = profile.spec.clone().unwrap_or_default();
        let version = spec.secret_values.map(|noted| noted.version).unwrap_or_default();
        let written = prior.schema.get().cloned().unwrap_or_default();
        let schema =
            spec.schema.iter().map(|(name, seen)| (name.clone(), seen_declaration(written.get(name), seen)));
        let before = prior.files.get().cloned().unwrap_or_default();
        let files = spec.files.iter().map(|(path, seen)| (path.clone(), seen_file(before.get(path), seen)));
        Self {
            id: meta.id.into(),
            incarnation: meta.incarnation.into(),
            name: meta.key.map(|key| key.name).into(),
            schema: Attr::Value(schema.collect()),
            values: values::seen_values(&prior.values, &spec.values),
            secret_values_wo: Attr::Null,
            secret_values_version: seen_number(&prior.secret_values_version, version),
            files: seen_map(&prior.files, files.collect()),
            phase: profile.standing.clone().unwrap_or_default().phase.into(),
            timeouts: prior.timeouts.clone(),
        }
    }

    fn applied(plan: &Self, profile: &pb::Profile) -> Self {
        let fresh = Self::read(plan, profile);
        let phase = settled(&plan.phase, fresh.phase);
        Self { id: fresh.id, incarnation: fresh.incarnation, phase, ..plan.clone() }
    }
}

fn declaration(written: &Declaration) -> Fit<pb::Declaration> {
    Ok(pb::Declaration {
        r#type: plain(&written.ty)?,
        required: plain(&written.required)?,
        secret: plain(&written.secret)?,
        description: plain(&written.description)?,
    })
}

fn file(written: &File) -> Fit<pb::ProfileFile> {
    Ok(pb::ProfileFile {
        content: nested(&written.content, |text| Ok(text.clone()))?,
        template: nested(&written.template, |text| Ok(text.clone()))?,
        mode: plain(&written.mode)?,
        owner: plain(&written.owner)?,
    })
}

fn seen_declaration(written: Option<&Declaration>, seen: &pb::Declaration) -> Declaration {
    let before = written.cloned().unwrap_or_default();
    let bare = |text: &str| text.split_whitespace().collect::<String>();
    Declaration {
        ty: if bare(before.ty.as_str()) == bare(&seen.r#type) { before.ty } else { seen_text(&seen.r#type) },
        required: seen_number(&before.required, seen.required),
        secret: seen_number(&before.secret, seen.secret),
        description: seen_text(&seen.description),
    }
}

fn seen_file(written: Option<&File>, seen: &pb::ProfileFile) -> File {
    let before = written.cloned().unwrap_or_default();
    let unless = |prior: &Attr<String>, seen: &str, default: &str| match prior.is_null() && seen == default {
        true => Attr::Null,
        false => seen_text(seen),
    };
    File {
        content: seen.content.clone().into(),
        template: seen.template.clone().into(),
        mode: unless(&before.mode, &seen.mode, "0644"),
        owner: unless(&before.owner, &seen.owner, "root:root"),
    }
}
