//! The words of the domain: ids, specs, states, outcomes and driver traits.
