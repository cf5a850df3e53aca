//! Events of Windows: flat as NXLog and EvtxECmd write them, nested as evtx_dump does, and as
//! Winlogbeat and the Elastic agent send them, whose modules move some values to fields of ECS.

/// Fields of an event's head, and where else it stands.
const HEAD: &[(&str, &[&str])] = &[
    (
        "eventid",
        &["Event.System.EventID", "Event.System.EventID.#text", "winlog.event_id", "event.code"],
    ),
    (
        "provider_name",
        &[
            "SourceName",
            "Provider",
            "Event.System.Provider.#attributes.Name",
            "winlog.provider_name",
            "event.provider",
        ],
    ),
    ("channel", &["Event.System.Channel", "winlog.channel"]),
    ("level", &["Event.System.Level", "winlog.level", "log.level"]),
    ("keywords", &["Event.System.Keywords", "winlog.keywords"]),
    ("task", &["Event.System.Task", "winlog.task"]),
    ("opcode", &["Event.System.Opcode", "winlog.opcode"]),
    ("computer", &["Hostname", "Event.System.Computer", "winlog.computer_name"]),
    ("computername", &["Hostname", "Computer", "Event.System.Computer", "winlog.computer_name"]),
    ("message", &["winlog.message"]),
];

/// Fields of an event's data that are kept elsewhere too.
const DATA: &[(&str, &[&str])] = &[
    // Values without a name: a list, or numbered.
    (
        "data",
        &[
            "Event.EventData.Data.#text",
            "winlog.event_data.param1",
            "winlog.event_data.param2",
            "winlog.event_data.param3",
            "winlog.event_data.param4",
            "winlog.event_data.param5",
        ],
    ),
    ("image", &["process.executable"]),
    ("commandline", &["process.command_line"]),
    ("currentdirectory", &["process.working_directory"]),
    ("originalfilename", &["process.pe.original_file_name", "file.pe.original_file_name"]),
    ("parentimage", &["process.parent.executable"]),
    ("parentcommandline", &["process.parent.command_line"]),
    ("targetfilename", &["file.path"]),
    ("imageloaded", &["dll.path", "file.path"]),
    ("pipename", &["file.name"]),
    ("targetobject", &["registry.path"]),
    ("details", &["registry.data.strings"]),
    ("destinationip", &["destination.ip"]),
    ("destinationport", &["destination.port"]),
    ("destinationhostname", &["destination.domain"]),
    ("sourceip", &["source.ip"]),
    ("sourceport", &["source.port"]),
    ("queryname", &["dns.question.name"]),
    ("scriptblocktext", &["powershell.file.script_block_text"]),
];

/// Where the data of an event is kept by name.
const PLACES: &[&str] =
    &["Event.EventData.", "Event.UserData.EventXML.", "winlog.event_data.", "winlog.user_data."];

pub(super) fn paths_of(field: &str) -> Vec<String> {
    let mut paths = vec![field.to_owned()];
    // A path was meant for one kind of record.
    if field.contains('.') {
        return paths;
    }
    let name = field.to_lowercase();
    let others = |list: &'static [(&str, &[&str])]| {
        list.iter().find(|(known, _)| *known == name).map(|(_, others)| *others)
    };
    if let Some(others) = others(HEAD) {
        paths.extend(others.iter().map(|path| (*path).to_owned()));
        return paths;
    }
    paths.extend(PLACES.iter().map(|place| format!("{place}{field}")));
    paths.extend(others(DATA).into_iter().flatten().map(|path| (*path).to_owned()));
    paths
}
