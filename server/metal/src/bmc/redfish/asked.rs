//! What was last asked of a BMC, for as long as its answers may be from before that.
//!
//! After a reset many BMCs report the old power state for a while. Told on, it would have the same thing done twice: so it
//! is no answer until the new state was seen, or the time in the quirk table is over. And a boot source that was set is to
//! be there still when the power comes on.

use std::time::Duration;

use tokio::time::Instant;
use underlay_core::bmc::{Power, Target};

use super::model::BootWish;

/// How long a boot source that was set is looked after. Whoever switches a host on later than that means something else.
const KEPT: Duration = Duration::from_secs(300);

/// What was last asked.
#[derive(Default)]
pub(super) struct Asked {
    switched: Option<(Power, Instant)>,
    /// What it took and has not done in all the time it has for that: asked once more, it is believed at once.
    undone: Option<Power>,
    boot: Option<(Target, BootWish, Instant)>,
    /// The boot source that was set when the power was last switched on.
    used: Option<Target>,
}

impl Asked {
    /// A reset to `power` was taken.
    pub(super) fn switched(&mut self, power: Power) {
        self.switched = (self.undone != Some(power)).then(|| (power, Instant::now()));
        if power == Power::On {
            self.used = self.boot.take().map(|(target, ..)| target);
        }
    }

    /// `wish` was taken, for `target`.
    pub(super) fn set_boot(&mut self, target: Target, wish: BootWish) {
        self.boot = Some((target, wish, Instant::now()));
    }

    /// What is to be there when the power comes on, where we set it just now.
    pub(super) fn boot(&self) -> Option<(Target, BootWish)> {
        let (target, wish, at) = self.boot.as_ref()?;
        (at.elapsed() < KEPT).then(|| (*target, wish.clone()))
    }

    /// The state on the way to which the BMC still is, if what it shows is from before it was switched.
    pub(super) fn on_the_way(&mut self, shown: Power, settle: Duration) -> Option<Power> {
        if self.undone == Some(shown) {
            self.undone = None;
        }
        let (wanted, at) = self.switched?;
        if shown != wanted && at.elapsed() < settle {
            return Some(wanted);
        }
        self.switched = None;
        self.undone = (shown != wanted && !settle.is_zero()).then_some(wanted);
        None
    }

    /// Was it switched on with this boot source, which it may have used up by now?
    pub(super) fn has_used(&self, target: Target) -> bool {
        self.used == Some(target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTLE: Duration = Duration::from_secs(20);

    #[tokio::test(start_paused = true)]
    async fn what_is_shown_is_from_before_until_it_is_as_asked_or_the_time_is_over() {
        let mut asked = Asked::default();
        assert_eq!(asked.on_the_way(Power::On, SETTLE), None, "nothing was asked");
        asked.switched(Power::Off);
        assert_eq!(asked.on_the_way(Power::On, SETTLE), Some(Power::Off));
        assert_eq!(asked.on_the_way(Power::Off, SETTLE), None);
        assert_eq!(asked.on_the_way(Power::On, SETTLE), None, "somebody else switched it on since");
        asked.switched(Power::On);
        tokio::time::advance(SETTLE).await;
        assert_eq!(asked.on_the_way(Power::Off, SETTLE), None, "it did not come on");
        asked.switched(Power::On);
        assert_eq!(asked.on_the_way(Power::Off, SETTLE), None, "nor does it now");
        assert_eq!(asked.on_the_way(Power::On, SETTLE), None);
        asked.switched(Power::Off);
        asked.switched(Power::On);
        assert_eq!(asked.on_the_way(Power::Off, SETTLE), Some(Power::On), "it does what it is asked again");
    }

    #[tokio::test(start_paused = true)]
    async fn a_boot_source_is_looked_after_until_the_power_comes_on_and_for_minutes_at_most() {
        let wish = BootWish { enabled: "Once", target: "Pxe", mode: None, checked: None };
        let mut asked = Asked::default();
        asked.set_boot(Target::NetworkOnce, wish.clone());
        assert_eq!(asked.boot(), Some((Target::NetworkOnce, wish.clone())));
        asked.switched(Power::On);
        assert_eq!(asked.boot(), None);
        assert!(asked.has_used(Target::NetworkOnce) && !asked.has_used(Target::Disk));
        asked.set_boot(Target::NetworkOnce, wish);
        tokio::time::advance(KEPT).await;
        assert_eq!(asked.boot(), None);
    }
}
