"""Ironic's Redfish client against one simulated BMC: what its `redfish` hardware type does to enrol, inspect and power.

usage: inspect_bmc.py URL USER PASSWORD-FILE; prints one line of JSON with what it found
"""

import json
import sys

import sushy
from sushy import auth

url, user, password_file = sys.argv[1:4]
password = open(password_file, encoding="utf-8").read().strip()
login = auth.SessionOrBasicAuth(username=user, password=password)
root = sushy.Sushy(url, auth=login, verify=False)
system = root.get_system_collection().get_members()[0]

found = {
    "serial": system.serial_number,
    "uuid": system.uuid,
    "power": [system.power_state.value],
    "memory_gib": system.memory_summary.size_gib,
    "cpus": system.processors.summary.count,
    "macs": sorted(mac.lower() for mac in system.ethernet_interfaces.summary),
    "disks": system.storage.drives_sizes_bytes,
    "simple_disks": system.simple_storage.disks_sizes_bytes,
    "bios": system.bios.attributes,
}

# With the mode where it is to be another one: some only show how their firmware is set, and refuse any.
mode = sushy.BOOT_SOURCE_MODE_UEFI if system.boot.mode == sushy.BOOT_SOURCE_MODE_BIOS else None
system.set_system_boot_options(
    target=sushy.BOOT_SOURCE_TARGET_PXE, enabled=sushy.BOOT_SOURCE_ENABLED_ONCE, mode=mode
)
system.refresh(force=True)
found["boot"] = [system.boot.target.value, system.boot.enabled.value]
for reset in (sushy.RESET_ON, sushy.RESET_FORCE_OFF):
    system.reset_system(reset)
    system.refresh(force=True)
    found["power"].append(system.power_state.value)

system.bios.set_attributes({"SecureBoot": "Enabled"})
manager = root.get_manager_collection().get_members()[0]
found["manager"] = manager.manager_type.value
found["media"] = [drive.identity for drive in manager.virtual_media.get_members()]
found["chassis"] = root.get_chassis_collection().get_members()[0].serial_number
found["firmware"] = sorted(item.identity for item in root.get_update_service().firmware_inventory.get_members())
root.get_event_service()
root.get_task_service()
login.close()

try:
    sushy.Sushy(url, auth=auth.BasicAuth(user, "wrong"), verify=False).get_system_collection()
    found["wrong_password"] = "taken"
except sushy.exceptions.AccessError:
    found["wrong_password"] = "refused"
print(json.dumps(found))
