//! Put and Preview: the same judgement, once to be shown and once to be held to.
//!
//! Invariant: whatever Preview lists as an error, Put refuses, whether or not anybody asked for a Preview first.

use std::sync::Arc;

use secrecy::SecretString;
use underlay_core::{
    ErrorKind, Failure, FieldError, Incarnation, Key, Object, Spec,
    machine::Disruption,
    profile::{SECRET_VALUES, SecretValues, Values},
};
use underlay_proto::v1 as pb;
use underlay_store::{Intent, PutOutcome, PutRequest, Retry, operation::Verb};

use super::objects::{Objects, incarnation, spell};
use crate::{
    auth::{Caller, Pools},
    context::Context,
    convert::object,
    errors::Error,
    rules::{Assessment, Fingerprint, Planned, Rules, SecretDigest},
};

/// The longest id of a request, in bytes.
const REQUEST_ID: usize = 128;

/// A Put of any noun, taken out of its message.
pub(super) struct Wanted<N: Rules> {
    pub(super) key: Option<pb::Key>,
    pub(super) spec: Option<N::SpecMessage>,
    pub(super) options: Option<pb::PutOptions>,
    pub(super) secret: Secret,
    /// Values to seal by attribute; `None` keeps those that are stored, unless the spec has none any more.
    pub(super) secret_values: Option<Values>,
    pub(super) planned: Option<pb::Planned>,
}

/// What a Put says about the object's secret.
pub(super) enum Secret {
    /// It stays as it is.
    Keep,
    /// It becomes this.
    Set(SecretString),
    /// It is forgotten.
    Clear,
}

/// Whether anything is to be done, or only said.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Put,
    Preview,
}

/// A Put that was read and judged.
struct Judged<N: Rules> {
    key: Key,
    spec: N::Spec,
    existing: Option<Object<N>>,
    assessment: Assessment,
    fingerprint: Fingerprint,
}

impl<N: Rules> Objects<N> {
    pub(super) async fn put_one(
        &self,
        caller: &Caller,
        wanted: Wanted<N>,
    ) -> Result<(N::Message, pb::PutResult), Error> {
        let options = wanted.options.clone().unwrap_or_default();
        let held = incarnation(&options.incarnation)?;
        if options.request_id.len() > REQUEST_ID {
            return Err(Error::field("request_id", format!("is longer than {REQUEST_ID} bytes")));
        }
        let mut judged = self.judge(caller, &wanted, held, Mode::Put).await?;
        refuse_worse::<N>(&judged, &options.fingerprint)?;
        let renews = options.retry || judged.existing.as_ref().is_none_or(|it| it.spec != judged.spec);
        hold_to::<N>(&judged, renews)?;

        let intent = held.map_or(Intent::Create, |incarnation| Intent::Update { incarnation });
        let mut request = PutRequest::new::<N>(judged.key.clone(), &judged.spec, intent)?;
        request.request_id = options.request_id;
        // Where the caller does not say, the generation that was judged: nobody slips a spec in between.
        let judged_generation = judged.existing.as_ref().map(|existing| existing.meta.generation);
        request.expected_generation =
            Some(options.expected_generation).filter(|expected| *expected != 0).or(judged_generation);
        request.retry = if options.retry { Retry::Always } else { Retry::OnChange };
        if judged.assessment.disruption >= Disruption::EraseRoot {
            request.verb = Verb::Redeploy;
        }
        request.secrets = match (wanted.secret, N::SECRET) {
            (Secret::Set(secret), Some(name)) => vec![(name.to_owned(), secret)],
            (Secret::Clear, Some(name)) => vec![(name.to_owned(), String::new().into())],
            _ => Vec::new(),
        };
        request.secrets.extend(sealed_values::<N>(&mut judged, wanted.secret_values.as_ref()));
        caller.trail.note_detail(&changed(&judged, &request));
        let put = self.context.store.on_record(&caller.trail).put(request).await;
        let put = match put {
            Err(underlay_store::Error::AlreadyExists { id, .. }) => {
                return Err(match self.context.store.get(id).await? {
                    Some(record) => Error::Exists(Box::new(record.raw.meta)),
                    None => Error::Unavailable("the object that was in the way is gone; try again"),
                });
            }
            other => other?,
        };
        let result = match put.outcome {
            PutOutcome::Created => pb::PutResult::Created,
            PutOutcome::Adopted => pb::PutResult::Adopted,
            PutOutcome::Updated => pb::PutResult::Updated,
            PutOutcome::Unchanged => pb::PutResult::Unchanged,
        };
        let (kind, key) = (N::KIND, &judged.key);
        tracing::info!(%kind, %key, id = %put.record.id(), caller = caller.name, ?result, "put an object");
        Ok((spell::<N>(put.record)?, result))
    }

    pub(super) async fn preview_one(&self, caller: &Caller, wanted: Wanted<N>) -> Result<pb::Preview, Error> {
        let held = incarnation(&wanted.options.clone().unwrap_or_default().incarnation)?;
        let planned = wanted.planned.clone().map(Planned::read).unwrap_or_default();
        let with_plan = Self::new(Context { planned: Arc::new(planned), ..self.context.clone() });
        let judged = match with_plan.judge(caller, &wanted, held, Mode::Preview).await {
            Ok(judged) => judged,
            // What is wrong with the spec is an answer, not a failure of the call.
            Err(Error::Invalid(faults)) => {
                let disruption = Disruption::None.to_string();
                return Ok(pb::Preview { disruption, errors: object::fields(&faults), ..Default::default() });
            }
            Err(error) => return Err(error),
        };
        let existing = judged.existing.as_ref();
        let outlook = N::outlook(&self.context, &judged.key, &judged.spec, existing).await?;
        let assessment = judged.assessment;
        Ok(pb::Preview {
            disruption: assessment.disruption.to_string(),
            fingerprint: judged.fingerprint.to_string(),
            base_generation: judged.existing.map_or(0, |existing| existing.meta.generation),
            errors: object::fields(&[assessment.errors, assessment.blocks].concat()),
            warnings: object::fields(&[assessment.warnings, outlook].concat()),
            pending: assessment.pending.iter().map(|aspect| aspect.as_str().to_owned()).collect(),
        })
    }

    async fn judge(
        &self,
        caller: &Caller,
        wanted: &Wanted<N>,
        held: Option<Incarnation>,
        mode: Mode,
    ) -> Result<Judged<N>, Error> {
        let key = object::key(wanted.key.clone())?;
        caller.trail.note_object(format_args!("{} {key}", N::KIND));
        caller.must_write(&key, &Pools::Untouched)?;
        let existing = match self.context.store.get_by_key(N::KIND, &key).await? {
            Some(record) => Some(record.raw.decode::<N>()?),
            None => None,
        };
        if mode == Mode::Put {
            check_held(held, existing.as_ref(), &key)?;
        }
        let mut spec = N::spec(wanted.spec.clone().unwrap_or_default(), &key)?;
        caller.must_write(&key, &N::pools(&self.context, &key, Some(&spec), existing.as_ref()).await?)?;
        if N::unprotects(&spec, existing.as_ref()) && !caller.may_unprotect {
            return Err(protected::<N>(caller, &key));
        }
        let digest = secret_digest(&wanted.secret, mode);
        N::note_secret(&mut spec, digest, existing.as_ref().map(|it| &it.spec));
        note_types::<N>(&mut spec, wanted.secret_values.as_ref(), existing.as_ref())?;
        spec.validate()?;
        let assessment = N::assess(&self.context, &key, &spec, existing.as_ref()).await?;
        let fingerprint = Fingerprint::of::<N>(&spec, existing.as_ref(), assessment.disruption);
        Ok(Judged { key, spec, existing, assessment, fingerprint })
    }
}

/// Notes the types of the values that are sealed: of those that came, else of those that are stored.
fn note_types<N: Rules>(
    spec: &mut N::Spec,
    given: Option<&Values>,
    existing: Option<&Object<N>>,
) -> Result<(), Error> {
    let Some(Some(noted)) = N::secret_values(spec) else { return Ok(()) };
    let stored = existing.and_then(|existing| N::secret_values(&mut existing.spec.clone())?.take());
    match (given, stored) {
        (Some(values), _) => *noted = SecretValues::of(noted.version, values)?,
        (None, Some(stored)) => noted.types = stored.types,
        (None, None) => noted.types.clear(),
    }
    Ok(())
}

/// The values to seal, as one secret; empty where there are none any more.
fn sealed_values<N: Rules>(judged: &mut Judged<N>, given: Option<&Values>) -> Option<(String, SecretString)> {
    let text = match (N::secret_values(&mut judged.spec)?, given) {
        (Some(_), None) => return None,
        (Some(_), Some(values)) => serde_json::json!(values).to_string(),
        (None, _) => {
            N::secret_values(&mut judged.existing.as_mut()?.spec)?.as_ref()?;
            String::new()
        }
    };
    Some((SECRET_VALUES.to_owned(), text.into()))
}

fn secret_digest(secret: &Secret, mode: Mode) -> SecretDigest {
    use secrecy::ExposeSecret;
    match (secret, mode) {
        (Secret::Set(secret), _) => SecretDigest::New(underlay_core::boot::digest(secret.expose_secret())),
        (Secret::Clear, _) => SecretDigest::None,
        (Secret::Keep, Mode::Put) => SecretDigest::Kept,
        (Secret::Keep, Mode::Preview) => SecretDigest::KeptOrClaimed,
    }
}

/// An Update of what is gone, or was created anew, is refused before anything else is said about it.
fn check_held<N: Rules>(
    held: Option<Incarnation>,
    existing: Option<&Object<N>>,
    key: &Key,
) -> Result<(), Error> {
    match (held, existing) {
        (None, _) => Ok(()),
        (Some(held), Some(existing)) if existing.meta.incarnation == held => Ok(()),
        (Some(_), existing) => Err(Error::Missing {
            kind: N::KIND,
            name: format!("{key} of that incarnation"),
            tombstone: existing.map(|existing| Box::new(existing.meta.clone())),
        }),
    }
}

/// The names of what a Put changes, and never a value.
fn changed<N: Rules>(judged: &Judged<N>, request: &PutRequest) -> String {
    let before = judged.existing.as_ref().and_then(|existing| serde_json::to_value(&existing.spec).ok());
    let mut names: Vec<&str> = match request.spec.as_object() {
        Some(spec) => spec
            .iter()
            .filter(|(name, value)| before.as_ref().and_then(|before| before.get(name)) != Some(value))
            .map(|(name, _)| name.as_str())
            .collect(),
        None => Vec::new(),
    };
    names.extend(request.secrets.iter().map(|(name, _)| name.as_str()));
    let retries = if request.retry == Retry::Always { "tries again; " } else { "" };
    match (names.is_empty(), judged.existing.is_some()) {
        (true, _) => format!("{retries}nothing changes"),
        (false, true) => format!("{retries}changes {}", names.join(", ")),
        (false, false) => format!("creates it with {}", names.join(", ")),
    }
}

fn protected<N: Rules>(caller: &Caller, key: &Key) -> Error {
    let failure = Failure::new(
        ErrorKind::Invalid,
        format!("{} {}: taking its protection away", N::KIND, key.name),
        format!("token \"{}\" may not do that", caller.name),
        "nothing was changed",
        "ask an admin to do it, or for a token that may: underlay token create NAME --role operator --may-unprotect",
    );
    Error::Forbidden(Box::new(failure.at("protected")))
}

/// Refuses where a person approved less than what would happen now.
fn refuse_worse<N: Rules>(judged: &Judged<N>, approved: &str) -> Result<(), Error> {
    if approved.is_empty() {
        return Ok(());
    }
    let approved = Fingerprint::read(approved)
        .ok_or_else(|| Error::field("fingerprint", "is not one that a Preview gave; plan again"))?;
    let Some(moved) = judged.fingerprint.worse_than(&approved) else { return Ok(()) };
    let failure = Failure::new(
        ErrorKind::Invalid,
        format!("{} {}: applying the plan", N::KIND, judged.key.name),
        moved,
        "nothing was touched",
        "Run terraform plan again and approve what it shows",
    );
    Err(Error::Precondition(Box::new(failure)))
}

/// Refuses what Preview would list as an error.
fn hold_to<N: Rules>(judged: &Judged<N>, renews: bool) -> Result<(), Error> {
    if !renews {
        return Ok(());
    }
    if !judged.assessment.errors.is_empty() {
        return Err(Error::Invalid(judged.assessment.errors.clone()));
    }
    let fields: Vec<FieldError> = judged.assessment.blocks.clone();
    let Some(first) = fields.first() else { return Ok(()) };
    let failure = Failure::new(
        ErrorKind::Invalid,
        format!("{} {}: accepting the change", N::KIND, judged.key.name),
        fields.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        "nothing was touched",
        "Change what is named above and apply again",
    )
    .at(&first.attribute);
    Err(Error::Fenced { failure: Box::new(failure), fields })
}
