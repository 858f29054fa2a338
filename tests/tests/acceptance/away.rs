//! The server is down; TLS, tokens, trust.

use std::fs;

use underlay_tests::{Server, Terraform};

use crate::lab;

#[test]
fn a_server_that_is_down_is_an_error_and_never_a_difference() {
    let mut server = Server::start();
    let Some(terraform) = Terraform::new(&server) else { return };
    terraform.configure(&lab(""));
    terraform.apply().expect(0);
    let state = terraform.state();
    server.kill();
    let run = terraform.plan().expect(1).says("Unable to read host lab-1").says(&server.socket());
    let run = run.says("underlay serve --data").says("UNDERLAY_ENDPOINT");
    assert!(!run.text.contains("will be"), "{}", run.text);
    terraform.run(&["plan", "-no-color", "-destroy"]).expect(1);
    assert_eq!(terraform.state(), state);
    server.resume();
    terraform.plan().expect(0);
}

#[test]
fn over_tls_the_server_is_known_by_its_ca_and_the_caller_by_a_token() {
    let server = Server::start();
    let token = fs::read_to_string(server.data().join("admin.token")).unwrap().trim().to_owned();
    let ca = server.data().join("ca.pem").display().to_string();
    let with = |ca: Option<&str>, token: &str| {
        let terraform =
            Terraform::new(&server)?.with("UNDERLAY_ENDPOINT", server.tls()).with("UNDERLAY_TOKEN", token);
        let terraform = match ca {
            Some(ca) => terraform.with("UNDERLAY_CA_FILE", ca),
            None => terraform,
        };
        terraform.configure(&lab(""));
        Some(terraform)
    };
    let Some(stranger) = with(None, &token) else { return };
    stranger.plan().expect(1).says("certificate is not trusted");
    with(Some(&ca), "nonsense")
        .unwrap()
        .plan()
        .expect(1)
        .says("does not know who calls")
        .says("UNDERLAY_TOKEN");
    let terraform = with(Some(&ca), &token).unwrap();
    terraform.apply().expect(0);
    terraform.plan().expect(0);
    assert!(!terraform.state().contains(&token));
}

#[test]
fn a_provider_that_depends_on_a_resource_is_configured_late() {
    let server = Server::start();
    let Some(terraform) = Terraform::new(&server) else { return };
    let late = format!(
        "resource \"terraform_data\" \"d\" {{\n  input = \"{}\"\n}}\nprovider \"underlay\" {{\n  endpoint = \
         terraform_data.d.output\n}}\n",
        server.socket()
    );
    terraform.configure(&format!("{late}{}", lab("")));
    terraform.plan().expect(2);
    terraform.apply().expect(0).says("2 added");
    terraform.plan().expect(0);
}
