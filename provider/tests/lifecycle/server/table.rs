//! The objects of one noun, and the rules of putting and deleting them.

use std::collections::{BTreeMap, VecDeque};

use prost::Message;
use tonic::{Code, Status};
use underlay_proto::{ERROR_DETAIL_KEY, v1 as pb};
use uuid::Uuid;

/// How a Put ends.
#[derive(Debug, Clone)]
pub enum Settle {
    /// As it should.
    Good,
    /// It stays in this phase.
    Stay(&'static str),
    /// It stays in this phase, because a freeze holds it back.
    Hold(&'static str),
    /// It fails for this reason.
    Fail(&'static str),
    /// It is created, and the call fails all the same: the line was lost.
    Lose,
}

/// What all objects have.
pub trait Thing: Clone + Default {
    const KIND: &'static str;
    const GOOD: &'static str;
    type Spec: Clone + PartialEq;

    fn meta(&mut self) -> &mut pb::Meta;
    fn standing(&mut self) -> &mut pb::Standing;
    fn spec(&mut self) -> &mut Self::Spec;
    /// Called once it stands as it should.
    fn settled(&mut self) {}
}

/// An object, and whether a state has it.
#[derive(Debug, Clone, Default)]
pub struct Row<T> {
    pub object: T,
    pub confirmed: bool,
}

/// Objects by id, tombstones included.
#[derive(Debug)]
pub struct Table<T> {
    pub rows: BTreeMap<String, Row<T>>,
    /// How the next Puts end; as they should once this is used up.
    pub script: VecDeque<Settle>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), script: VecDeque::new() }
    }
}

impl<T: Thing> Table<T> {
    /// The living object of this name.
    pub fn named(&mut self, name: &str) -> Option<&mut Row<T>> {
        self.alive().find_map(|row| {
            let is_named = row.object.meta().key.as_ref().is_some_and(|key| key.name == name);
            is_named.then_some(row)
        })
    }

    /// How many are alive.
    pub fn living(&mut self) -> usize {
        self.alive().count()
    }

    fn alive(&mut self) -> impl Iterator<Item = &mut Row<T>> {
        self.rows.values_mut().filter_map(|row| row.object.meta().purged_at.is_none().then_some(row))
    }

    pub fn find(&mut self, selector: Option<&pb::Selector>) -> Option<&mut Row<T>> {
        match selector.and_then(|selector| selector.by.clone())? {
            pb::selector::By::Id(id) => self.rows.get_mut(&id),
            pb::selector::By::Key(key) => self.named(&key.name),
            // A serial number is the name backwards: enough to tell the ways apart.
            pb::selector::By::Serial(serial) => self.named(&serial.chars().rev().collect::<String>()),
            pb::selector::By::Mac(_) | pb::selector::By::Uuid(_) => None,
        }
    }

    pub fn get(&mut self, request: &pb::GetRequest) -> Result<T, Status> {
        let missing = || Status::not_found("there is none");
        let row = self.find(request.selector.as_ref()).ok_or_else(missing)?;
        let meta = row.object.meta();
        let is_stale = !request.incarnation.is_empty() && meta.incarnation != request.incarnation;
        if meta.purged_at.is_some() || is_stale {
            return Err(missing());
        }
        row.confirmed |= !request.incarnation.is_empty();
        Ok(row.object.clone())
    }

    pub fn put(
        &mut self,
        key: pb::Key,
        spec: T::Spec,
        options: &pb::PutOptions,
    ) -> Result<(T, pb::PutResult), Status> {
        let settle = self.script.pop_front().unwrap_or(Settle::Good);
        let mut result = pb::PutResult::Updated;
        if let Some(row) = self.named(&key.name) {
            let meta = row.object.meta().clone();
            if options.incarnation.is_empty() && row.confirmed {
                return Err(exists::<T>(&meta));
            }
            if !options.incarnation.is_empty() && meta.incarnation != options.incarnation {
                return Err(Status::not_found("it is another"));
            }
        } else if options.incarnation.is_empty() {
            let mut object = T::default();
            let id = Uuid::new_v4().to_string();
            *object.meta() = pb::Meta { id: id.clone(), key: Some(key.clone()), ..Default::default() };
            result = pb::PutResult::Created;
            self.rows.insert(id, Row { object, confirmed: false });
        }
        let row = self.named(&key.name).ok_or_else(|| Status::not_found("it is gone"))?;
        let object = &mut row.object;
        if options.expected_generation != 0 && options.expected_generation != object.meta().generation {
            return Err(Status::aborted("it is at another generation"));
        }
        if options.incarnation.is_empty() {
            object.meta().incarnation = Uuid::new_v4().to_string();
            if result != pb::PutResult::Created {
                result = pb::PutResult::Adopted;
            }
        }
        if result == pb::PutResult::Created || options.retry || *object.spec() != spec {
            *object.spec() = spec;
            object.meta().generation += 1;
            end(object, &settle);
        }
        match settle {
            Settle::Lose => Err(Status::internal("the line was lost")),
            _ => Ok((object.clone(), result)),
        }
    }

    pub fn delete(&mut self, request: &pb::DeleteRequest) -> pb::DeleteResponse {
        use pb::delete_response::Outcome;
        let answer = |outcome: Outcome, meta| pb::DeleteResponse { outcome: outcome.into(), meta };
        let Some(row) = self.find(request.selector.as_ref()) else { return answer(Outcome::Gone, None) };
        let meta = row.object.meta();
        if meta.purged_at.is_some() {
            return answer(Outcome::Gone, Some(meta.clone()));
        }
        if meta.incarnation != request.incarnation {
            return answer(Outcome::Stale, Some(meta.clone()));
        }
        let before = meta.clone();
        meta.purged_at = Some(prost_types::Timestamp::default());
        answer(Outcome::Deleting, Some(before))
    }
}

/// Brings an object to the end that was asked for.
pub fn end<T: Thing>(object: &mut T, settle: &Settle) {
    let generation = object.meta().generation;
    let (phase, settled, failure) = match settle {
        Settle::Good | Settle::Lose => (T::GOOD, true, None),
        Settle::Stay(phase) | Settle::Hold(phase) => (*phase, false, None),
        Settle::Fail(why) => ("failed", true, Some(failure(why))),
    };
    let held = matches!(settle, Settle::Hold(_)).then(|| pb::Brake {
        kind: pb::brake::Kind::Freeze.into(),
        release: "underlay unfreeze --all".to_owned(),
        ..Default::default()
    });
    let waiting_for = match (&held, settled) {
        (Some(held), _) => format!("frozen by ops: switch work; continue with: {}", held.release),
        (None, true) => String::new(),
        (None, false) => "the agent to call home".to_owned(),
    };
    *object.standing() =
        pb::Standing { phase: phase.to_owned(), settled, failure, waiting_for, held, ..Default::default() };
    if settled {
        object.meta().observed_generation = generation;
    }
    if phase == T::GOOD {
        object.settled();
    }
}

pub fn failure(why: &str) -> pb::Failure {
    pb::Failure {
        what: "imaging the host".to_owned(),
        why: why.to_owned(),
        done: "the host was switched off".to_owned(),
        next: "Check its disk".to_owned(),
        ..Default::default()
    }
}

fn exists<T: Thing>(existing: &pb::Meta) -> Status {
    let key = existing.key.clone().unwrap_or_default();
    let failure = pb::Failure {
        what: format!("creating {} {}", T::KIND, key.name),
        why: format!("owner {} has one of that name, and it is in somebody's state", key.owner),
        done: "nothing was changed".to_owned(),
        next: format!("run: terraform import underlay_{}.{} {}", T::KIND, key.name, existing.id),
        ..Default::default()
    };
    let detail =
        pb::ErrorDetail { failure: Some(failure), existing: Some(existing.clone()), ..Default::default() };
    refusal(Code::AlreadyExists, detail)
}

/// An error with details.
pub fn refusal(code: Code, detail: pb::ErrorDetail) -> Status {
    let mut status = Status::new(code, "raw gRPC text that nobody must see");
    let bytes = tonic::metadata::MetadataValue::from_bytes(&detail.encode_to_vec());
    status.metadata_mut().insert_bin(ERROR_DETAIL_KEY, bytes);
    status
}
