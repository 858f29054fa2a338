//! What each noun demands beyond its own spec: that what it names is there, that nobody is hurt, that nobody needs it any
//! more. Reads the store, changes nothing; Put and Preview share every judgement.
//!
//! - [`assess`]: the judgement and its parts; [`fingerprint`]: what a person approved
//! - [`planned`]: what else the plan that asks is about to change
//! - [`references`]: does what is named exist, and who names an object
//! - [`nouns`]: the rules of most nouns; [`machine`], [`fit`], [`prospect`], [`trust`]: those of machines; [`profile`]: those of profiles;
//!   [`steps`]: steps that machines name

mod assess;
mod fingerprint;
mod fit;
mod machine;
mod nouns;
mod planned;
mod profile;
mod prospect;
mod references;
mod standing;
mod steps;
mod trust;

pub(crate) use assess::{Assessment, Rules, SecretDigest};
pub(crate) use fingerprint::Fingerprint;
pub(crate) use planned::Planned;
pub(crate) use prospect::Prospects;
pub(crate) use references::{references, users};
