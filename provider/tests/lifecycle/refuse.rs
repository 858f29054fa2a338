//! Errors and where they point; secrets.

use terraform_provider_underlay::{
    Config, Underlay,
    resources::{credential_model, host_model, machine_model},
};
use tfplugin::{Attr, testing::Core};
use underlay_proto::v1 as pb;

use crate::rig::{A, DEBIAN, LAB, Rig, WEB, host, image, machine, provider, says, told};

const LOGIN: &str = "underlay_credential.bmc";
const CANARY: &str = "canary-4711";

fn objection(attribute: &str, message: &str) -> pb::Preview {
    let errors = vec![pb::FieldError { attribute: attribute.to_owned(), message: message.to_owned() }];
    pb::Preview { disruption: "none".to_owned(), errors, ..Default::default() }
}

#[tokio::test]
async fn what_the_server_objects_to_points_at_the_attribute() {
    let mut rig = Rig::new().await;
    let network = machine_model::Network {
        vlans: Attr::Value(
            [(
                "v220".to_owned(),
                machine_model::Vlan { link: "boot".into(), id: 220.into(), mtu: Attr::Null },
            )]
            .into(),
        ),
        ..Default::default()
    };
    let config = machine_model::Model {
        network: network.into(),
        ssh_keys: vec!["nonsense".to_owned()].into(),
        ..machine()
    };
    for (dotted, path, shown) in [
        ("network.vlans.v220.id", "network.vlans[\"v220\"].id", "(network)"),
        ("ssh_keys.0", "ssh_keys[0]", "(ssh_keys[0])"),
        ("image", "image", "(image)"),
    ] {
        rig.server.world(|world| world.preview = Some(objection(dotted, "is wrong")));
        says(&told(&rig.core.plan(WEB, &config).await.unwrap_err()), &[path, shown, "is wrong", "web-0"]);
    }
}

#[tokio::test]
async fn a_machine_may_name_an_image_and_a_host_of_the_same_plan() {
    let mut rig = Rig::new().await;
    rig.core.plan(DEBIAN, &image(A)).await.unwrap();
    rig.core.plan(LAB, &host()).await.unwrap();
    rig.server.world(|world| world.preview = Some(objection("image", "there is no image")));
    rig.core.plan(WEB, &machine()).await.unwrap();
    rig.server.world(|world| world.preview = Some(objection("host", "there is no host")));
    rig.core.plan(WEB, &machine()).await.unwrap();
}

#[tokio::test]
async fn a_host_has_exactly_one_driver() {
    let mut rig = Rig::new().await;
    let none = host_model::Model { qemu: Attr::Null, ..host() };
    says(&told(&rig.core.plan(LAB, &none).await.unwrap_err()), &["no driver", "exactly one of redfish"]);
    let redfish = host_model::Redfish {
        address: "https://10.0.0.1".into(),
        credential: "bmc".into(),
        ..Default::default()
    };
    let both = host_model::Model { redfish: redfish.into(), ..host() };
    says(&told(&rig.core.plan(LAB, &both).await.unwrap_err()), &["two drivers", "(qemu)"]);
}

#[tokio::test]
async fn sizes_are_checked_at_plan() {
    let mut rig = Rig::new().await;
    let wrong = host().qemu.map(|qemu| host_model::Qemu { memory: "1 gig".into(), ..qemu });
    let config = host_model::Model { qemu: wrong, ..host() };
    says(&told(&rig.core.plan(LAB, &config).await.unwrap_err()), &["(qemu.memory)", "must be a size"]);
}

#[tokio::test]
async fn a_token_that_is_wrong_says_which_setting_to_correct() {
    let mut rig = Rig::new().await;
    rig.server.world(|world| world.token = Some(CANARY.to_owned()));
    let error = told(&rig.core.plan(LAB, &host()).await.unwrap_err());
    says(&error, &["does not know who calls", "UNDERLAY_TOKEN"]);
    rig.core.configure(&Config { token: CANARY.into(), ..provider(&rig.server) }).await.unwrap();
    rig.core.converge(LAB, &host()).await.unwrap();
}

#[tokio::test]
async fn an_endpoint_that_shows_the_token_is_refused() {
    let mut core = Core::start(Underlay).await.unwrap();
    let config = Config { endpoint: "http://underlay.example:80".into(), ..Default::default() };
    says(&told(&core.configure(&config).await.unwrap_err()), &["(endpoint)", "plain HTTP", "https://"]);
    let config = Config {
        endpoint: "https://underlay.example".into(),
        ca_file: "/nonexistent/ca.pem".into(),
        ..Default::default()
    };
    says(&told(&core.configure(&config).await.unwrap_err()), &["(ca_file)", "/nonexistent/ca.pem"]);
}

fn login(password: &str, version: i64) -> credential_model::Model {
    credential_model::Model {
        name: "bmc".into(),
        username: "root".into(),
        password_wo: password.into(),
        password_wo_version: version.into(),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_password_is_sent_with_each_new_version_and_kept_nowhere() {
    let mut rig = Rig::new().await;
    rig.core.converge(LOGIN, &login(CANARY, 1)).await.unwrap();
    // Another password under the same version is not sent, also not along with something else.
    let renamed = credential_model::Model { username: "admin".into(), ..login("another", 1) };
    rig.core.converge(LOGIN, &renamed).await.unwrap();
    rig.core.converge(LOGIN, &login("third", 2)).await.unwrap();
    let puts = rig.server.world(|world| world.credential_puts.clone());
    let sent: Vec<_> = puts.iter().map(|put| put.password.as_deref()).collect();
    assert_eq!(sent, [Some(CANARY), None, Some("third")]);
    let state = format!("{:?}", rig.core.instance(LOGIN).unwrap());
    assert!(!state.contains(CANARY) && !state.contains("third"), "{state}");
}

#[tokio::test]
async fn a_password_without_a_version_is_refused() {
    let mut rig = Rig::new().await;
    let config = credential_model::Model { password_wo_version: Attr::Null, ..login(CANARY, 1) };
    let error = told(&rig.core.plan(LOGIN, &config).await.unwrap_err());
    says(&error, &["(password_wo_version)"]);
    assert!(!error.contains(CANARY));
}
