//! Which schemas the resources are of, and where those are described: the OData metadata document (DSP0266, 8.4) and the
//! `Link` of each answer (9.3). The documents themselves are DMTF's, at DMTF's.

use serde_json::Value;

/// Where they are described.
const AT: &str = "http://redfish.dmtf.org/schemas/v1";
/// The namespaces of the resources here.
const NAMESPACES: &[&str] = &[
    "AccountService.v1_13_0",
    "ActionInfo.v1_4_0",
    "Bios.v1_2_2",
    "Chassis.v1_23_0",
    "ChassisCollection",
    "ComputerSystem.v1_20_1",
    "ComputerSystemCollection",
    "Drive.v1_17_0",
    "EthernetInterface.v1_10_0",
    "EthernetInterfaceCollection",
    "Event.v1_9_0",
    "EventDestination.v1_14_1",
    "EventDestinationCollection",
    "EventService.v1_10_2",
    "Manager.v1_19_0",
    "ManagerAccount.v1_11_0",
    "ManagerAccountCollection",
    "ManagerCollection",
    "Memory.v1_17_1",
    "MemoryCollection",
    "NetworkAdapter.v1_11_0",
    "NetworkAdapterCollection",
    "Port.v1_11_0",
    "PortCollection",
    "Processor.v1_18_0",
    "ProcessorCollection",
    "Role.v1_3_2",
    "RoleCollection",
    "ServiceRoot.v1_16_0",
    "Session.v1_7_0",
    "SessionCollection",
    "SessionService.v1_1_9",
    "Settings.v1_3_5",
    "SimpleStorage.v1_3_1",
    "SimpleStorageCollection",
    "SoftwareInventory.v1_10_2",
    "SoftwareInventoryCollection",
    "Storage.v1_15_0",
    "StorageCollection",
    "Task.v1_7_4",
    "TaskCollection",
    "TaskService.v1_2_1",
    "UpdateService.v1_14_0",
    "VirtualMedia.v1_6_3",
    "VirtualMediaCollection",
    "VolumeCollection",
];

/// The metadata document.
pub(super) fn metadata() -> String {
    let mut text = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <edmx:Edmx xmlns:edmx=\"http://docs.oasis-open.org/odata/ns/edmx\" Version=\"4.0\">\n",
    );
    for namespace in NAMESPACES {
        let name = namespace.split('.').next().unwrap_or(namespace);
        let own =
            if name == *namespace { String::new() } else { format!("<edmx:Include Namespace=\"{name}\"/>") };
        text += &format!(
            "  <edmx:Reference Uri=\"{AT}/{name}_v1.xml\">{own}<edmx:Include Namespace=\"{namespace}\"/></edmx:Reference>\n"
        );
    }
    text += "  <edmx:DataServices>\n    <Schema xmlns=\"http://docs.oasis-open.org/odata/ns/edm\" Namespace=\"Service\">\n      \
             <EntityContainer Name=\"Service\" Extends=\"ServiceRoot.v1_16_0.ServiceContainer\"/>\n    </Schema>\n  \
             </edmx:DataServices>\n</edmx:Edmx>\n";
    text
}

/// The `Link` that leads to the schema of a resource.
pub(super) fn described_by(body: &Value) -> Option<String> {
    let kind = body.get("@odata.type")?.as_str()?.strip_prefix('#')?;
    let (namespace, _) = kind.rsplit_once('.')?;
    Some(format!("<{AT}/{namespace}.json>; rel=describedby"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_says_where_it_is_described() {
        let body = serde_json::json!({ "@odata.type": "#ServiceRoot.v1_16_0.ServiceRoot" });
        let link = "<http://redfish.dmtf.org/schemas/v1/ServiceRoot.v1_16_0.json>; rel=describedby";
        assert_eq!(described_by(&body).as_deref(), Some(link));
        assert_eq!(described_by(&Value::Null), None);
        assert!(NAMESPACES.contains(&"ServiceRoot.v1_16_0") && metadata().contains("ServiceRoot.v1_16_0"));
    }
}
