//! Canaries in every place where a BMC was seen to keep something that names a machine or a person: none is recorded.

use std::time::Duration;

use super::{
    super::{check::Sort, quirks},
    *,
};

fn read(path: &str, body: Value) -> Read {
    let headers = vec![("etag", "W/\"CANARY-SERIAL-1\"".to_owned()), ("allow", "GET, PATCH".to_owned())];
    Read { path: path.into(), sort: Sort::Leaf, status: 200, headers, body, took: Duration::from_millis(7) }
}

fn canaries() -> Vec<Read> {
    vec![
        read(
            "/redfish/v1/Systems/CANARY-SERIAL-1",
            json!({
                "@odata.id": "/redfish/v1/Systems/CANARY-SERIAL-1",
                "Id": "CANARY-SERIAL-1",
                "Name": "System canary-serial-1 of canaryhost.corp.example",
                "SerialNumber": " CANARY-SERIAL-1 ",
                "UUID": "deadbeef-CAFE-4711-8000-0123456789ab",
                "HostName": "canaryhost.corp.example",
                "AssetTag": "CANARY-ASSET",
                "SKU": "CANARYTAG",
                "PowerState": "Off",
                "Description": "kept by canary.person@corp.example, room CANARY-ROOM",
                "Location": { "PostalAddress": { "Street": "CANARY-STREET 7" }, "Info": "CANARY-ROOM" },
                "Boot": {
                    "BootSourceOverrideTarget@Redfish.AllowableValues": ["Pxe", "Hdd"],
                    "UefiTargetBootSourceOverride": "PciRoot(0x0)/MAC(0CC47ACA4711,0x1)",
                },
                "Oem": { "Vendor": { "LicenseKey": "CANARY-LICENCE-KEY", "Nested": ["CANARY-OEM"] } },
                "Links": { "Chassis": [{ "@odata.id": "/redfish/v1/Chassis/CANARY-SERIAL-1" }] },
                "Actions": { "#ComputerSystem.Reset": { "target": "/redfish/v1/Systems/CANARY-SERIAL-1/Actions/ComputerSystem.Reset" } },
                "BoardProduct": 1_234_567_890_123_456_789_u64,
                "canary.person@corp.example": true,
            }),
        ),
        read(
            "/redfish/v1/Systems/CANARY-SERIAL-1/EthernetInterfaces/NIC.0CC47ACA4711",
            json!({
                "MACAddress": "0c:c4:7a:ca:47:11",
                "PermanentMACAddress": "0C:C4:7A:CA:47:11",
                "IPv4Addresses": [{ "Address": "10.99.88.77", "Gateway": "10.99.88.1" }],
                "IPv6Addresses": [{ "Address": "2001:db8:47:11::1" }],
                "Name": "NIC at 10.99.88.77",
                "Id": "NIC.0CC47ACA4711",
                "VLAN": { "VLANId": 4 },
            }),
        ),
        read(
            "/redfish/v1/AccountService/Accounts/3",
            json!({ "UserName": "canaryadmin", "Password": "CANARY-PASSWORD", "RoleId": "Administrator", "Name": "User canaryadmin" }),
        ),
        read(
            "/redfish/v1/Managers/1/VirtualMedia/Cd",
            json!({
                "Image": "https://canaryadmin:CANARY-PASSWORD@10.99.88.1/canary.iso",
                "ImageName": "canary.iso",
                "MediaTypes": ["CD"],
                "Name": "https://10.99.88.1/canary",
                "Inserted": true,
            }),
        ),
    ]
}

#[test]
fn nothing_that_names_a_machine_or_a_person_is_recorded() {
    let text = recording(&quirks::UNKNOWN, "canarylogin", &canaries());
    let lower = text.to_lowercase();
    for canary in
        ["canary", "deadbeef", "4711", "10.99", "2001:db8", "corp.example", "0cc47a", "0c:c4", "123456789"]
    {
        assert!(!lower.contains(canary), "{canary}: {text}");
    }
}

#[test]
fn what_is_the_same_stays_the_same_and_the_shape_is_kept() {
    let text = recording(&quirks::UNKNOWN, "root", &canaries());
    let recording: Value = serde_json::from_str(&text).expect("it reads");
    let resources = recording["resources"].as_object().expect("resources");
    let (path, system) =
        resources.iter().find(|(_, it)| it["body"]["PowerState"] == "Off").expect("the system");
    let body = &system["body"];
    assert_eq!(body["@odata.id"], json!(path));
    assert_eq!(body["Id"], body["SerialNumber"]);
    assert!(path.ends_with(body["SerialNumber"].as_str().expect("a stand-in")), "{path}");
    assert_eq!(
        body["Actions"]["#ComputerSystem.Reset"]["target"],
        json!(format!("{path}/Actions/ComputerSystem.Reset"))
    );
    assert_eq!(body["Boot"]["BootSourceOverrideTarget@Redfish.AllowableValues"], json!(["Pxe", "Hdd"]));
    assert_eq!(body["Oem"], json!({ "Vendor": {} }), "who made it stays to be seen");
    assert_eq!(system["headers"]["allow"], "GET, PATCH");
    let nic = resources.values().find(|it| !it["body"]["MACAddress"].is_null()).expect("the NIC");
    assert_eq!(nic["body"]["MACAddress"], nic["body"]["PermanentMACAddress"]);
    assert!(nic["body"]["MACAddress"].as_str().expect("text").parse::<underlay_core::Mac>().is_ok());
    assert_eq!(nic["body"]["VLAN"]["VLANId"], 4);
}

#[test]
fn a_short_value_is_replaced_where_it_stands_and_spoils_no_word() {
    let reads =
        [read("/redfish/v1/Systems/1", json!({ "SerialNumber": "1", "Model": "R410", "PowerState": "On" }))];
    let text = recording(&quirks::UNKNOWN, "x", &reads);
    let recording: Value = serde_json::from_str(&text).expect("it reads");
    let body = &recording["resources"]["/redfish/v1/Systems/1"]["body"];
    assert_eq!((&body["Model"], &body["PowerState"]), (&json!("R410"), &json!("On")));
    assert_ne!(body["SerialNumber"], "1");
}

#[test]
fn one_that_names_more_than_can_be_looked_for_is_not_recorded_at_all() {
    let many: Vec<Value> =
        (0..=MOST).map(|number| json!({ "SerialNumber": format!("CANARY-{number}") })).collect();
    assert_eq!(
        recording(&quirks::UNKNOWN, "root", &[read("/redfish/v1/Systems/1", json!({ "Parts": many }))]),
        ""
    );
}
