//! What objects with one cause have in common and others have not: the rack, the image, the pool to look at first.

use std::collections::HashMap;

/// Different values that are counted; later ones are not.
const VALUES: usize = 5000;
/// What is told of a cause at most.
const TOLD: usize = 3;
/// Fewer than these have nothing in common but chance.
const FEW: usize = 3;

/// How many objects have what.
#[derive(Debug, Default)]
pub struct Counts {
    objects: usize,
    having: HashMap<(String, String), usize>,
}

/// Something that many of a group have, and few others.
#[derive(Debug, PartialEq, Eq)]
pub struct Common {
    /// `rack` of `rack=r7`.
    pub name: String,
    /// `r7`.
    pub value: String,
    /// How many of the group have it.
    pub here: usize,
    /// How many there are of it at all.
    pub everywhere: usize,
}

impl Counts {
    /// Takes in what an object has.
    pub fn add(&mut self, traits: &[(String, String)]) {
        self.objects += 1;
        for one in traits {
            if let Some(count) = self.having.get_mut(one) {
                *count += 1;
            } else if self.having.len() < VALUES {
                self.having.insert(one.clone(), 1);
            }
        }
    }

    /// What nine of ten of this group have, and of all the others at most half as large a part. What tells most, first.
    pub fn common(&self, all: &Counts) -> Vec<Common> {
        let others = all.objects.saturating_sub(self.objects);
        let mut found: Vec<(f64, Common)> = Vec::new();
        for ((name, value), &here) in &self.having {
            let everywhere = all.having.get(&(name.clone(), value.clone())).copied().unwrap_or(here);
            let part_of_others = ratio(everywhere.saturating_sub(here), others);
            if here < FEW
                || ratio(here, self.objects) < 0.9
                || part_of_others > ratio(here, self.objects) / 2.0
            {
                continue;
            }
            let common = Common { name: name.clone(), value: value.clone(), here, everywhere };
            found.push((part_of_others, common));
        }
        found.sort_by(|(one, a), (other, b)| {
            one.total_cmp(other).then_with(|| (&a.name, &a.value).cmp(&(&b.name, &b.value)))
        });
        found.into_iter().take(TOLD).map(|(_, common)| common).collect()
    }
}

fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}
