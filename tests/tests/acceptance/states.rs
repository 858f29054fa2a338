//! Two states, two owners.

use underlay_tests::{Server, Terraform};

use crate::lab;

#[test]
fn a_second_state_is_refused_what_the_first_one_has() {
    let server = Server::start();
    let (Some(first), Some(second)) = (Terraform::new(&server), Terraform::new(&server)) else { return };
    first.configure(&lab(""));
    second.configure(&lab("pool = \"other\""));
    first.apply().expect(0);
    first.plan().expect(0);
    let id = first.attribute("underlay_host", "id");
    let run = second
        .apply()
        .expect(1)
        .says("Unable to create host lab-1")
        .says("owner default has one of that name");
    run.says(&format!("terraform import underlay_host.lab-1 {id}"));
    first.plan().expect(0);
    second.plan().expect(2).says("1 to add");
}

#[test]
fn each_owner_has_names_of_its_own() {
    let server = Server::start();
    let (Some(first), Some(second)) = (Terraform::new(&server), Terraform::new(&server)) else { return };
    let second = second.with("UNDERLAY_OWNER", "team-b");
    first.configure(&lab(""));
    second.configure(&lab(""));
    first.apply().expect(0);
    second.apply().expect(0);
    first.destroy().expect(0);
    second.plan().expect(0);
}
