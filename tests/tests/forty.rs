//! Forty machines of which three fail, with the real Terraform, a real server and simulated machines: the other 37 are not
//! touched, and the retry touches three. The same with `create_before_destroy`, with a spec that was changed meanwhile,
//! and from two states that use the same names.
//!
//! What was touched is the rack's word: whose BMC was asked for a change, who booted, whose disk was written.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use underlay_tests::{Run, Simulated, Terraform, rack::image::Image};

/// Which fail: one early, one in the middle, one late.
const BAD: [&str; 3] = ["r1u3", "r1u20", "r1u38"];
const MANY: &str = "-parallelism=40";

/// A state's part of the rack, and what is written about its machines.
struct Part<'a> {
    /// Places in the rack, from and to.
    places: std::ops::Range<usize>,
    /// More of every machine.
    more: &'a str,
}

fn hcl(rack: &Simulated, image: &Image, part: &Part<'_>) -> String {
    let boxes: BTreeMap<&str, &serde_json::Value> = rack.machines()[part.places.clone()]
        .iter()
        .map(|machine| (machine["name"].as_str().unwrap(), machine))
        .collect();
    std::fs::write(
        rack.path(&format!("boxes-{}.json", part.places.start)),
        serde_json::to_vec(&boxes).unwrap(),
    )
    .unwrap();
    let (spec, password) = (image.spec(), rack.password());
    format!(
        r#"
locals {{
  boxes = jsondecode(file("{boxes}"))
  names = keys(local.boxes)
}}
resource "underlay_credential" "bmc" {{
  name                = "bmc"
  username            = "root"
  password_wo         = "{password}"
  password_wo_version = 1
}}
resource "underlay_host" "box" {{
  for_each = local.boxes
  name     = each.key
  identity = {{ serial = each.value.serial, boot_mac = each.value.boot_mac }}
  redfish  = {{ address = each.value.bmc_address, credential = underlay_credential.bmc.name, system = each.value.system }}
}}
resource "underlay_image" "os" {{
  name   = "os"
  source = {{ url = "{url}", sha256 = "{sha256}" }}
}}
resource "underlay_machine" "web" {{
  count = {count}
  name  = "web-${{count.index}}"
  image = underlay_image.os.id
  host  = underlay_host.box[local.names[count.index]].name
  {more}
}}
resource "underlay_ready" "all" {{
  machines = underlay_machine.web[*].id
}}
"#,
        boxes = rack.path(&format!("boxes-{}.json", part.places.start)).display(),
        url = spec.url,
        sha256 = spec.sha256,
        count = boxes.len(),
        more = part.more,
    )
}

/// What the rack knows of a machine's past: requests for a change, boots, writes.
type Past = BTreeMap<String, (usize, u64, u64)>;

fn past(rack: &Simulated) -> Past {
    let asked: Vec<serde_json::Value> = serde_json::from_str(&rack.at_the_rack(&["asked"])).unwrap();
    let seen: Vec<serde_json::Value> = serde_json::from_str(&rack.at_the_rack(&["list", "--json"])).unwrap();
    let past = |machine: &serde_json::Value| {
        let name = machine["name"].as_str().unwrap().to_owned();
        let asked = asked.iter().filter(|one| one["machine"] == *name).count();
        let writes = machine["disks"][0]["writes"].as_u64().unwrap();
        (name, (asked, machine["boots"].as_u64().unwrap(), writes))
    };
    seen.iter().map(past).collect()
}

/// Whom something happened to between the two.
fn touched(before: &Past, after: &Past) -> BTreeSet<String> {
    after
        .iter()
        .filter(|(name, past)| before.get(*name) != Some(past))
        .map(|(name, _)| name.clone())
        .collect()
}

fn is_bad(names: &BTreeSet<String>) {
    assert_eq!(names.iter().map(String::as_str).collect::<BTreeSet<_>>(), BTreeSet::from(BAD));
}

fn break_three(rack: &Simulated) {
    BAD.iter().for_each(|name| drop(rack.at_the_rack(&["fault", name, "--wrong-serial"])));
}

fn apply(terraform: &Terraform) -> Run {
    terraform.run(&["apply", "-no-color", "-auto-approve", MANY])
}

fn at(rack: &Simulated) -> Option<Terraform> {
    Terraform::at(format!("unix://{}", rack.path("api.sock").display()))
}

fn all_run(rack: &Simulated) {
    let seen: Vec<serde_json::Value> = serde_json::from_str(&rack.at_the_rack(&["list", "--json"])).unwrap();
    for machine in seen {
        assert_eq!((&machine["stage"], &machine["boots"] != 0), (&"system".into(), true), "{machine}");
    }
}

fn rack() -> (Simulated, Image) {
    let rack = Simulated::start(&["--machines", "40", "--pace", "instant", "--ramdisk-bytes", "1024"]);
    let image = Image::make(&rack.images(), "small", 4).unwrap();
    (rack, image)
}

/// Applies with three that fail, then mends them and applies `then`.
fn three_fail(more: &str, then: &str, changes: &str) {
    let (rack, image) = rack();
    let Some(terraform) = at(&rack) else { return };
    let part = Part { places: 0..40, more };
    terraform.configure(&hcl(&rack, &image, &part));
    break_three(&rack);
    // The gate fails, the machines are kept in state, none is tainted.
    let run = apply(&terraform).expect(1);
    assert!(run.text.contains("serial number is WRONG"), "{}", run.text);
    let failed = past(&rack);
    let ready = failed.values().filter(|(_, boots, writes)| *boots == 2 && *writes > 0).count();
    assert_eq!(ready, 37, "{failed:?}");
    assert!(!terraform.state().contains("tainted"));

    rack.at_the_rack(&["clear"]);
    terraform.configure(&hcl(&rack, &image, &Part { places: 0..40, more: then }));
    let plan = terraform.plan().expect(2);
    assert!(plan.text.contains(changes), "{}", plan.text);
    assert!(plan.text.contains("0 to destroy"), "{}", plan.text);
    apply(&terraform).expect(0);
    is_bad(&touched(&failed, &past(&rack)));
    all_run(&rack);
    terraform.plan().expect(0);
}

#[test]
fn the_retry_of_three_that_failed_touches_three() {
    three_fail("", "", "3 to change");
}

#[test]
fn the_retry_touches_three_with_create_before_destroy_too() {
    let lifecycle = "lifecycle {\n    create_before_destroy = true\n  }";
    three_fail(lifecycle, lifecycle, "3 to change");
}

#[test]
fn the_retry_with_a_changed_spec_disrupts_three_only() {
    // What is ready takes a key when it is deployed again, which nobody asks for here.
    let key = "ssh_keys = [\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA ops\"]";
    three_fail("", key, "40 to change");
}

#[test]
fn two_states_with_the_same_names_each_retry_their_own() {
    let (rack, image) = rack();
    let (Some(first), Some(second)) = (at(&rack), at(&rack)) else { return };
    let second = second.with("UNDERLAY_OWNER", "team-b");
    first.configure(&hcl(&rack, &image, &Part { places: 0..20, more: "" }));
    second.configure(&hcl(&rack, &image, &Part { places: 20..40, more: "" }));
    break_three(&rack);
    std::thread::scope(|scope| {
        let both = [&first, &second].map(|terraform| scope.spawn(|| apply(terraform)));
        both.into_iter().for_each(|run| drop(run.join().unwrap().expect(1)));
    });
    let failed = past(&rack);
    rack.at_the_rack(&["clear"]);

    // Two of the three are the first one's, and it touches those alone.
    apply(&first).expect(0);
    let after = past(&rack);
    assert_eq!(touched(&failed, &after), BTreeSet::from([BAD[0].to_owned(), BAD[1].to_owned()]));
    first.plan().expect(0);
    second.plan().expect(2).says("to change");
    apply(&second).expect(0);
    assert_eq!(touched(&after, &past(&rack)), BTreeSet::from([BAD[2].to_owned()]));
    all_run(&rack);
    first.plan().expect(0);
    second.plan().expect(0);
}
