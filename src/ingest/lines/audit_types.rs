//! What the types of records of the Linux audit system mean (`linux/audit.h` and the record types
//! that `ausearch -m` knows).
//!
//! The daemon writes types by name, the kernel's own log by number. Only the types that the kernel
//! and the common programs write are named; another number stays a number.

/// The names of the numbers from 1100 on: messages of programs.
const OF_PROGRAMS: [&str; 39] = [
    "USER_AUTH",
    "USER_ACCT",
    "USER_MGMT",
    "CRED_ACQ",
    "CRED_DISP",
    "USER_START",
    "USER_END",
    "USER_AVC",
    "USER_CHAUTHTOK",
    "USER_ERR",
    "CRED_REFR",
    "USYS_CONFIG",
    "USER_LOGIN",
    "USER_LOGOUT",
    "ADD_USER",
    "DEL_USER",
    "ADD_GROUP",
    "DEL_GROUP",
    "DAC_CHECK",
    "CHGRP_ID",
    "TEST",
    "TRUSTED_APP",
    "USER_SELINUX_ERR",
    "USER_CMD",
    "USER_TTY",
    "CHUSER_ID",
    "GRP_AUTH",
    "SYSTEM_BOOT",
    "SYSTEM_SHUTDOWN",
    "SYSTEM_RUNLEVEL",
    "SERVICE_START",
    "SERVICE_STOP",
    "GRP_MGMT",
    "GRP_CHAUTHTOK",
    "MAC_CHECK",
    "ACCT_LOCK",
    "ACCT_UNLOCK",
    "USER_DEVICE",
    "SOFTWARE_UPDATE",
];
/// The numbers and names of messages of the kernel.
const OF_KERNEL: [(u32, &str); 39] = [
    (1006, "LOGIN"),
    (1300, "SYSCALL"),
    (1302, "PATH"),
    (1303, "IPC"),
    (1304, "SOCKETCALL"),
    (1305, "CONFIG_CHANGE"),
    (1306, "SOCKADDR"),
    (1307, "CWD"),
    (1309, "EXECVE"),
    (1311, "IPC_SET_PERM"),
    (1312, "MQ_OPEN"),
    (1316, "KERNEL_OTHER"),
    (1317, "FD_PAIR"),
    (1318, "OBJ_PID"),
    (1319, "TTY"),
    (1320, "EOE"),
    (1321, "BPRM_FCAPS"),
    (1322, "CAPSET"),
    (1323, "MMAP"),
    (1324, "NETFILTER_PKT"),
    (1325, "NETFILTER_CFG"),
    (1326, "SECCOMP"),
    (1327, "PROCTITLE"),
    (1328, "FEATURE_CHANGE"),
    (1330, "KERN_MODULE"),
    (1331, "FANOTIFY"),
    (1334, "BPF"),
    (1335, "EVENT_LISTENER"),
    (1336, "URINGOP"),
    (1337, "OPENAT2"),
    (1400, "AVC"),
    (1401, "SELINUX_ERR"),
    (1402, "AVC_PATH"),
    (1403, "MAC_POLICY_LOAD"),
    (1404, "MAC_STATUS"),
    (1405, "MAC_CONFIG_CHANGE"),
    (1700, "ANOM_PROMISCUOUS"),
    (1701, "ANOM_ABEND"),
    (1702, "ANOM_LINK"),
];
/// Types that only add to another record of the same event.
const ADDITIONS: [&str; 16] = [
    "PATH",
    "CWD",
    "EXECVE",
    "PROCTITLE",
    "SOCKADDR",
    "SOCKETCALL",
    "EOE",
    "FD_PAIR",
    "OBJ_PID",
    "BPRM_FCAPS",
    "MMAP",
    "IPC",
    "IPC_SET_PERM",
    "MQ_OPEN",
    "AVC_PATH",
    "OPENAT2",
];
/// Types in which `acct` is the account that is changed, not the one that acts.
const ACCOUNT_CHANGES: [&str; 13] = [
    "ADD_USER",
    "DEL_USER",
    "ADD_GROUP",
    "DEL_GROUP",
    "USER_MGMT",
    "GRP_MGMT",
    "USER_CHAUTHTOK",
    "GRP_CHAUTHTOK",
    "CHUSER_ID",
    "CHGRP_ID",
    "ACCT_LOCK",
    "ACCT_UNLOCK",
    "USER_ROLE_CHANGE",
];

/// Returns the name of a type that is written as a number.
pub(super) fn name_of(number: &str) -> Option<&'static str> {
    let number: u32 = number.parse().ok()?;
    let of_programs = number.checked_sub(1100).and_then(|index| usize::try_from(index).ok());
    if let Some(name) = of_programs.and_then(|index| OF_PROGRAMS.get(index)) {
        return Some(name);
    }
    OF_KERNEL.iter().find(|(known, _)| *known == number).map(|(_, name)| *name)
}

/// Returns whether a record of this type only adds to another one.
pub(super) fn is_addition(name: &str) -> bool {
    ADDITIONS.contains(&name)
}

/// Returns whether a record of this type is about an account that is changed.
pub(super) fn is_account_change(name: &str) -> bool {
    ACCOUNT_CHANGES.contains(&name)
}

/// Returns the category of ECS of a record that is the main one of its event.
pub(super) fn category_of(name: &str) -> Option<&'static str> {
    if is_account_change(name) {
        return Some("iam");
    }
    Some(match name {
        "USER_AUTH" | "USER_ACCT" | "USER_LOGIN" | "USER_LOGOUT" | "LOGIN" | "CRED_ACQ"
        | "CRED_DISP" | "CRED_REFR" | "GRP_AUTH" => "authentication",
        "USER_START" | "USER_END" => "session",
        "USER_CMD" | "EXECVE" | "SERVICE_START" | "SERVICE_STOP" | "SECCOMP" | "ANOM_ABEND"
        | "PROCTITLE" => "process",
        "PATH" | "CWD" => "file",
        "SOCKADDR" | "NETFILTER_PKT" | "NETFILTER_CFG" | "ANOM_PROMISCUOUS" => "network",
        "KERN_MODULE" => "driver",
        "SOFTWARE_UPDATE" => "package",
        "SYSTEM_BOOT" | "SYSTEM_SHUTDOWN" | "SYSTEM_RUNLEVEL" => "host",
        name if name.contains("CONFIG") || name.starts_with("MAC_") => "configuration",
        name if name.starts_with("DAEMON_") => "configuration",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_names_of_the_header() {
        for (number, name) in [
            ("1100", Some("USER_AUTH")),
            ("1112", Some("USER_LOGIN")),
            ("1123", Some("USER_CMD")),
            ("1130", Some("SERVICE_START")),
            ("1138", Some("SOFTWARE_UPDATE")),
            ("1300", Some("SYSCALL")),
            ("1400", Some("AVC")),
            ("1099", None),
            ("9999", None),
            ("", None),
            ("-1", None),
        ] {
            assert_eq!(name_of(number), name, "{number}");
        }
    }

    #[test]
    fn categories_are_those_of_ecs() {
        assert_eq!(category_of("ADD_USER"), Some("iam"));
        assert_eq!(category_of("CONFIG_CHANGE"), Some("configuration"));
        assert_eq!(category_of("SYSCALL"), None);
    }
}
