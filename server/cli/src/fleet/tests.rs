//! Ten thousand rows, thirty-seven of them in trouble: what a person is told of them.

use underlay_proto::v1;

use super::{
    grouping::Grouping,
    member::Member,
    row::{Class, Row, natural},
    screen::{Section, Size, draw},
    summary::{self, Detail},
    text::{Wording, pattern},
};

const NOW: i64 = 1_000_000;

/// A machine, with the rest as the case needs it.
fn machine(number: usize, phase: &str, settled: bool, failure: Option<v1::Failure>, waiting: &str) -> Row {
    let name = format!("web-{number}");
    let key = v1::Key { site: "default".into(), owner: "default".into(), name };
    let standing = v1::Standing {
        phase: phase.into(),
        settled,
        since: Some(prost_types::Timestamp { seconds: NOW - 60 - number as i64, nanos: 0 }),
        waiting_for: waiting.into(),
        failure,
        ..Default::default()
    };
    let image = if (300..330).contains(&number) { "bad" } else { "good" };
    let machine = v1::Machine {
        meta: Some(v1::Meta { key: Some(key), ..Default::default() }),
        spec: Some(v1::MachineSpec { image: format!("{image}@sha256:00"), ..Default::default() }),
        standing: Some(standing),
        ..Default::default()
    };
    machine.row()
}

fn failure(number: usize, step: &str, why: String) -> Option<v1::Failure> {
    Some(v1::Failure {
        what: format!("machine web-{number}: {step}"),
        why,
        done: "the disk was not touched".into(),
        next: format!("underlay host mended r{number}"),
        ..Default::default()
    })
}

/// 10,000 machines: 30 whose image has a wrong checksum, 7 with a broken disk, 100 that boot, the rest ready.
fn fleet() -> Vec<Row> {
    (0..10_000)
        .map(|number| match number {
            300..330 => {
                let why = format!("sha256 of segment {number} of web-{number} is not what was promised");
                machine(number, "failed", true, failure(number, "writing the image", why), "")
            }
            5000..5007 => {
                let why = format!("Input/output error at byte {} of /dev/sda", number * 4096);
                machine(number, "failed", true, failure(number, "writing the image", why), "")
            }
            7000..7100 => {
                machine(number, "booting", false, None, &format!("the agent of r{number} to call home"))
            }
            _ => machine(number, "ready", true, None, ""),
        })
        .collect()
}

#[test]
fn ten_thousand_machines_are_a_handful_of_lines() {
    let rows = fleet();
    let grouping: Grouping = rows.iter().collect();
    let lines = summary::lines("machines", &grouping, Detail::Advice, NOW);
    let text = lines.join("\n");
    assert_eq!(
        lines.first().map(String::as_str),
        Some("10,000 machines: 37 in trouble, 100 at work"),
        "{text}"
    );
    for told in [
        "ready    9,863  60s to 2h",
        "failed: 37, 2 causes",
        "    30  writing the image: sha256 of segment … of … is not what was promised",
        "          web-300, web-301, web-302, web-303 and 26 more; for",
        "in common: image=bad (30 of 30; 30 in all)",
        "do: underlay host mended r300 (that is for web-300)",
        "     7  writing the image: Input/output error at byte … of /dev/sda",
        "   100  the agent of … to call home",
    ] {
        assert!(text.contains(told), "\"{told}\" is not in\n{text}");
    }
    assert!(lines.len() < 24, "{text}");
}

#[test]
fn every_object_is_counted_once_in_a_state_and_at_most_once_in_a_cause() {
    let rows = fleet();
    let grouping: Grouping = rows.iter().collect();
    assert_eq!(grouping.states.values().map(|group| group.count).sum::<usize>(), 10_000);
    assert_eq!(grouping.causes().iter().map(|ill| ill.group.count).sum::<usize>(), 137);
    let first = grouping.causes().first().map(|ill| (ill.class, ill.group.count));
    assert_eq!(first, Some((Class::Failed, 30)));
}

#[test]
fn the_order_of_arrival_changes_nothing() {
    let mut rows = fleet();
    let forth = summary::lines("machines", &rows.iter().collect(), Detail::Advice, NOW);
    rows.reverse();
    assert_eq!(summary::lines("machines", &rows.iter().collect(), Detail::Advice, NOW), forth);
}

#[test]
fn as_many_causes_as_objects_are_counted_in_bounded_memory() {
    let word = |mut number: usize| {
        let mut word = String::new();
        for _ in 0..4 {
            word.push(char::from(b'a' + (number % 26) as u8));
            number /= 26;
        }
        word
    };
    let rows: Vec<Row> = (0..10_000)
        .map(|number| {
            machine(number, "failed", true, failure(number, "booting", format!("odd {}", word(number))), "")
        })
        .collect();
    let grouping: Grouping = rows.iter().collect();
    assert!(grouping.causes().len() <= 501, "{}", grouping.causes().len());
    assert_eq!(grouping.causes().iter().map(|ill| ill.group.count).sum::<usize>(), 10_000);
    let lines = summary::lines("machines", &grouping, Detail::Line, NOW);
    assert!(lines.len() < 60, "{}", lines.len());
    assert!(lines.last().is_some_and(|line| line.contains("481 other causes")), "{:?}", lines.last());
}

#[test]
fn a_screen_is_never_longer_or_wider_than_the_terminal() {
    let rows = fleet();
    let recent: Vec<String> = (0..50).map(|number| format!("change {number} {}", "x".repeat(300))).collect();
    for count in [0, 1, 8, 20, 40, 10_000] {
        let shown: Vec<&Row> = rows.iter().take(count).collect();
        for size in [(24, 80), (5, 20), (60, 200), (1, 1)] {
            let size = Size { lines: size.0, columns: size.1 };
            let sections =
                [Section { kinds: "machines", rows: &shown }, Section { kinds: "hosts", rows: &shown }];
            for sections in [&sections[..], &sections[..1]] {
                let lines = draw(sections, &recent, size, NOW);
                assert!(lines.len() <= size.lines, "{count} in {size:?}: {lines:#?}");
                assert!(
                    lines.iter().all(|line| console::measure_text_width(line) <= size.columns),
                    "{lines:#?}"
                );
            }
        }
    }
}

#[test]
fn eight_machines_are_shown_by_name_and_ten_thousand_by_cause() {
    let rows = fleet();
    let size = Size { lines: 24, columns: 100 };
    let few: Vec<&Row> = rows.iter().skip(325).take(8).collect();
    let lines = draw(&[Section { kinds: "machines", rows: &few }], &["a change".into()], size, NOW);
    assert!(lines.iter().filter(|line| line.starts_with("web-")).count() == 8, "{lines:#?}");
    assert!(
        lines.iter().position(|line| line.starts_with("web-329"))
            < lines.iter().position(|line| line.starts_with("web-330"))
    );
    assert!(lines.iter().any(|line| line.contains("a change")), "{lines:#?}");

    let all: Vec<&Row> = rows.iter().collect();
    let lines = draw(&[Section { kinds: "machines", rows: &all }], &[], size, NOW).join("\n");
    assert!(lines.contains("37 in trouble") && lines.contains("Input/output error"), "{lines}");
    assert!(!lines.contains("lines more"), "{lines}");
}

#[test]
fn what_is_cut_off_is_said() {
    let rows = fleet();
    let all: Vec<&Row> = rows.iter().collect();
    let lines = draw(&[Section { kinds: "machines", rows: &all }], &[], Size { lines: 6, columns: 100 }, NOW);
    assert!(
        lines.last().is_some_and(|line| line.contains("lines more: underlay explain machines")),
        "{lines:#?}"
    );
}

#[test]
fn messages_that_differ_in_names_and_numbers_are_one() {
    let one = pattern("host web-a: read 4096 bytes from 10.0.0.1, no answer", &["web-a"]);
    assert_eq!(one, pattern("host web-b: read 8192 bytes from 10.0.0.2, no answer", &["web-b"]));
    assert_ne!(one, pattern("host web-b: read 8192 bytes from 10.0.0.2, an answer", &["web-b"]));
    assert_eq!(pattern("host/web-a is gone", &["team/web-a"]), pattern("host/web-b is gone", &["web-b"]));
}

#[test]
fn what_is_the_same_in_all_messages_stays_readable() {
    let mut wording = Wording::new("3 of 40 answered, r1 did not");
    wording.join("3 of 40 answered, r2 did not");
    assert_eq!(wording.shown(), "3 of 40 answered, … did not");
    assert!(!wording.is_one());
}

#[test]
fn names_are_ordered_as_people_count() {
    let mut names = ["web-10", "web-2", "web-1", "db-3", "web-02b", "web"];
    names.sort_by(|one, other| natural(one, other));
    assert_eq!(names, ["db-3", "web", "web-1", "web-2", "web-02b", "web-10"]);
}

#[test]
fn a_bad_condition_is_trouble_and_waiting_is_not() {
    let mut host = v1::Host {
        standing: Some(v1::Standing { phase: "available".into(), settled: true, ..Default::default() }),
        ..Default::default()
    };
    assert!(!host.row().is_in_trouble());
    let condition =
        v1::Condition { name: "Reachable".into(), good: false, reason: "no route".into(), since: None };
    host.status = Some(v1::HostStatus { conditions: vec![condition], ..Default::default() });
    assert_eq!(
        host.row().cause.map(|cause| (cause.class, cause.why)),
        Some((Class::Condition, "Reachable: no route".into()))
    );
    assert!(!machine(1, "booting", false, None, "the agent").is_in_trouble());
}
