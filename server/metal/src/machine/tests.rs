//! - `adopted`: systems that are taken as they stand
//! - `deploying`: whole deployments, again in place, changed and taken back on the way
//! - `table`: each state, by what it sees; `random`: whatever happens in whatever order
//! - `taking_over`: agents that are up before the deployment begins
//! - `ways`: ways to boot, and what is tried next; `trust`: which of them will do
//! - `steps`: steps of the shop's own
//! - `held`: brakes and cancellations; `inheriting`: profiles
//! - `by_hand`: hosts that a person switches
//! - `refusing`: what is refused before anything is touched; `failing`: what goes wrong later; `leaving`: deletion

mod adopted;
mod by_hand;
mod deploying;
mod failing;
mod held;
mod inheriting;
mod leaving;
mod random;
mod refusing;
mod steps;
mod table;
mod taking_over;
mod trust;
mod ways;
