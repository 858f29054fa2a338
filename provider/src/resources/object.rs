//! What the resources of all nouns do alike: plan, create, read, update, delete and import of a state that mirrors an object
//! of the server.

use std::time::Duration;

use tfplugin::{
    Attr, Context, Diagnostics, Schema, Timeouts,
    resource::{Change, ImportId, New, Outcome, Plan},
    schema::AttrType,
};
use underlay_proto::v1 as pb;

use super::approved::Approved;
use crate::{
    client::{Client, Session},
    import,
    lifecycle::{self, Doomed, Wanted},
    noun::Noun,
    planned::Planned,
    written::{Fit, Unfit},
};

/// A state that mirrors an object of the server.
pub(super) trait Mirror: Schema + Clone + Default {
    /// The object.
    type Noun: Noun;
    /// How long create and update wait where the configuration does not say.
    const WAIT: Duration;
    /// How long delete waits where the configuration does not say.
    const DELETE: Duration;

    fn name(&self) -> &Attr<String>;
    /// The server's id.
    fn object_id(&self) -> &Attr<String>;
    fn incarnation(&self) -> &Attr<String>;
    fn phase(&self) -> &Attr<String>;
    fn timeouts(&self) -> &Attr<Timeouts>;

    /// Marks what will move while work goes on as not known: at least the phase.
    fn reopen(&mut self);

    /// The message that makes the object so. Write-only values are in `config`; `prior` is what the state has.
    fn put(
        client: &Client,
        plan: &Self,
        config: &Self,
        prior: Option<&Self>,
        options: pb::PutOptions,
    ) -> Fit<<Self::Noun as Noun>::Put>;

    /// Notes what the plan makes of the object, for those that inherit from it.
    fn foretell(_: &Planned, _: &<Self::Noun as Noun>::Put) {}

    /// The state that an object has now; `prior` gives the user's spelling.
    fn read(prior: &Self, object: &Self::Noun) -> Self;

    /// The state after an apply: the plan, with what was unknown filled in.
    fn applied(plan: &Self, object: &Self::Noun) -> Self;
}

/// The attributes that every [`Mirror`] has; the argument is the one that holds the server's id.
macro_rules! fields {
    ($id:ident) => {
        fn name(&self) -> &tfplugin::Attr<String> {
            &self.name
        }

        fn object_id(&self) -> &tfplugin::Attr<String> {
            &self.$id
        }

        fn incarnation(&self) -> &tfplugin::Attr<String> {
            &self.incarnation
        }

        fn phase(&self) -> &tfplugin::Attr<String> {
            &self.phase
        }

        fn timeouts(&self) -> &tfplugin::Attr<tfplugin::Timeouts> {
            &self.timeouts
        }
    };
}
pub(super) use fields;

/// For `#[tf(validate = ...)]`: a name that the server accepts.
///
/// # Errors
/// It does not.
pub(super) fn valid_name(name: &String) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_');
    if (1..=253).contains(&name.len()) && name.chars().all(allowed) {
        return Ok(());
    }
    Err(format!("must be 1 to 253 of a-z, 0-9, '.', '-' and '_', not {name:?}"))
}

/// Plans: an object that is not as it should be is taken up again; a change is shown to the server, which may object.
/// Returns what the server says of the change, where it could be asked.
pub(super) async fn plan<M: Mirror>(
    cx: &mut Context<Session>,
    plan: &mut Plan<M>,
    is_settled_later: impl Fn(&Client, &pb::FieldError) -> bool,
) -> Result<Option<pb::Preview>, Diagnostics> {
    let session = cx.data()?;
    let rests = |phase: &str| phase == M::Noun::GOOD || M::Noun::ASIDE == Some(phase);
    if plan.prior.as_ref().is_some_and(|prior| !rests(prior.phase().as_str())) {
        plan.planned.reopen();
    }
    let prior = plan.prior.as_ref();
    if prior.is_some_and(|prior| AttrType::to_value(prior) == AttrType::to_value(&plan.planned)) {
        return Ok(None);
    }
    let Some(client) = session.known() else { return Ok(None) };
    let name = plan.planned.name().as_str();
    client.planned.note(M::Noun::KIND, name);
    let held = prior.filter(|prior| prior.name() == plan.planned.name());
    let incarnation = held.map(|prior| prior.incarnation().as_str().to_owned()).unwrap_or_default();
    let options = pb::PutOptions { incarnation, ..Default::default() };
    let put = match M::put(client, &plan.planned, &plan.config, prior, options) {
        Ok(put) => put,
        Err(Unfit::NotKnown) => return Ok(None),
        Err(unfit) => return Err(unfit.into()),
    };
    M::foretell(&client.planned, &put);
    let attributes = M::attributes();
    let wanted = Wanted::<M::Noun> { name, put, limit: M::WAIT, attributes: &attributes };
    let is_settled_later = |objection: &pb::FieldError| is_settled_later(client, objection);
    let preview = lifecycle::preview(client, &wanted, &mut cx.diagnostics, is_settled_later).await?;
    Approved::of(&preview).hand_over(cx);
    Ok(Some(preview))
}

/// Creates or adopts the object, and waits for it.
pub(super) async fn create<M: Mirror>(cx: &mut Context<Session>, new: New<M>) -> Outcome<M> {
    let session = cx.data()?;
    let client = session.client()?;
    let New { plan, config } = new;
    let options = Approved::take_over(cx).create();
    let put = M::put(client, &plan, &config, None, options).map_err(Diagnostics::from)?;
    let (attributes, limit) = (M::attributes(), plan.timeouts().create_or(M::WAIT));
    let wanted = Wanted::<M::Noun> { name: plan.name().as_str(), put, limit, attributes: &attributes };
    let object = lifecycle::create(cx, client, wanted).await?;
    Ok(M::applied(&plan, &object))
}

/// Reads the object; `None` if it is gone.
pub(super) async fn read<M: Mirror>(cx: &Context<Session>, state: M) -> Result<Option<M>, Diagnostics> {
    let session = cx.data()?;
    let (client, name) = (session.client()?, state.name().as_str());
    let (selector, incarnation) = (selector(client, &state), state.incarnation().as_str());
    let object = lifecycle::read::<M::Noun>(client, name, selector, incarnation).await?;
    Ok(object.map(|object| M::read(&state, &object)))
}

/// Changes the object, or tries again what had failed, and waits for it.
pub(super) async fn update<M: Mirror>(cx: &mut Context<Session>, change: Change<M>) -> Outcome<M> {
    let session = cx.data()?;
    let client = session.client()?;
    let Change { prior, plan, config } = change;
    let options = Approved::take_over(cx).update(prior.incarnation(), prior.phase());
    let put = M::put(client, &plan, &config, Some(&prior), options).map_err(Diagnostics::from)?;
    let (attributes, limit) = (M::attributes(), plan.timeouts().update_or(M::WAIT));
    let wanted = Wanted::<M::Noun> { name: plan.name().as_str(), put, limit, attributes: &attributes };
    match lifecycle::update(cx, client, wanted).await {
        Ok(object) => Ok(M::applied(&plan, &object)),
        Err(stalled) => Err(stalled.failure(|object| M::applied(&plan, object))),
    }
}

/// Deletes the object, and waits until it is gone.
pub(super) async fn delete<M: Mirror>(cx: &Context<Session>, state: M) -> Result<(), Diagnostics> {
    let session = cx.data()?;
    let client = session.client()?;
    let doomed = Doomed {
        name: state.name().as_str(),
        selector: selector(client, &state),
        incarnation: state.incarnation().as_str(),
        limit: state.timeouts().delete_or(M::DELETE),
    };
    lifecycle::delete::<M::Noun>(cx, client, doomed).await
}

/// Starts the state of an object that is there already. Nothing is touched.
pub(super) async fn import<M: Mirror>(cx: &Context<Session>, id: &ImportId) -> Result<M, Diagnostics> {
    let session = cx.data()?;
    let object = import::find::<M::Noun>(session.client()?, id).await?;
    Ok(M::read(&M::default(), &object))
}

/// By the server's id, which survives a change of owner in the provider block.
fn selector<M: Mirror>(client: &Client, state: &M) -> pb::Selector {
    match state.object_id().get() {
        Some(id) => pb::Selector { by: Some(pb::selector::By::Id(id.clone())) },
        None => client.by_name(state.name().as_str()),
    }
}
