//! The filter as command-line flags, built from the table of fields: `--source ECS`, `--source-not
//! IAM`, `--resource-id-prefix r-`.

use crate::event::{FIELDS, FieldDef, FieldKind, FilterOperator};
use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

const HEADING: &str = "Filter (all conditions must hold; repeat a flag for any of several values)";

/// The filter's flags as the key-value pairs that a URL would have.
#[derive(Debug, Clone, Default)]
pub(super) struct FilterArgs {
    pub(super) pairs: Vec<(String, String)>,
}

/// A flag: its name on the command line, the parameter it stands for, and its help text.
struct Flag {
    parameter: String,
    help: String,
    values: Option<&'static [&'static str]>,
    /// Whether `-h` shows it too, and not only `--help`.
    common: bool,
}

fn flags() -> Vec<Flag> {
    let mut flags = Vec::new();
    let mut add = |parameter: String, help: String, values, common| {
        flags.push(Flag { parameter, help, values, common })
    };
    for def in FIELDS {
        for operator in def.operators {
            let name = def.name;
            match operator {
                FilterOperator::Equal => add(name.to_owned(), help(def), values(def), true),
                FilterOperator::Not => add(
                    format!("{name}.not"),
                    format!("{}: not this value", def.en),
                    values(def),
                    false,
                ),
                FilterOperator::Prefix => add(
                    format!("{name}.prefix"),
                    format!("{}: begins with this", def.en),
                    None,
                    false,
                ),
                FilterOperator::Exists => add(
                    format!("{name}.exists"),
                    format!("{}: has a value", def.en),
                    Some(&["true", "false"]),
                    false,
                ),
                FilterOperator::Range => {
                    add(format!("{name}.min"), format!("{}: at least this", def.en), None, false);
                    add(format!("{name}.max"), format!("{}: at most this", def.en), None, false);
                }
                FilterOperator::Cidr => {}
            }
        }
    }
    for (name, help) in [
        ("from", "Start of the period: RFC 3339 or milliseconds"),
        ("to", "End of the period (exclusive)"),
        ("last", "Only the last 24h, 7d, 90d …"),
        (
            "text",
            "Words, \"quoted phrases\" and path:value in the record, in any case; all must match",
        ),
        ("substring", "Exact text in the record"),
        ("filter", "Groups of conditions as JSON: {\"any\":[{…},{…}],\"not\":{…},\"record\":{…}}"),
        (
            "filter_type",
            "event_name, resource_id, resource_name or another field, with --filter-value",
        ),
        ("filter_value", "The value for --filter-type"),
    ] {
        add(name.to_owned(), help.to_owned(), None, true);
    }
    add("text.not".to_owned(), "Exclude what --text with this value finds".to_owned(), None, false);
    add("substring.not".to_owned(), "Exclude this exact text".to_owned(), None, false);
    flags
}

fn help(def: &FieldDef) -> String {
    let network = if def.operators.contains(&FilterOperator::Cidr) {
        "; a network such as 10.0.0.0/8 too"
    } else {
        ""
    };
    format!("{} {}{network}", def.en, def.zh)
}

fn values(def: &FieldDef) -> Option<&'static [&'static str]> {
    match def.kind {
        FieldKind::Enum(values) => Some(values),
        FieldKind::Bool => Some(&["true", "false"]),
        _ => None,
    }
}

fn id(parameter: &str) -> String {
    parameter.replace(['_', '.'], "-")
}

impl FromArgMatches for FilterArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut pairs = Vec::new();
        for flag in flags() {
            for value in matches.get_many::<String>(&id(&flag.parameter)).into_iter().flatten() {
                pairs.push((flag.parameter.clone(), value.clone()));
            }
        }
        Ok(Self { pairs })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for FilterArgs {
    fn augment_args(mut command: Command) -> Command {
        for flag in flags() {
            // clap keeps names for the lifetime of the program, and a program builds one command
            // line.
            let name: &'static str = id(&flag.parameter).leak();
            let mut arg = Arg::new(name)
                .long(name)
                .help(flag.help)
                .help_heading(HEADING)
                .action(ArgAction::Append)
                .value_name("VALUE");
            arg = arg.hide_short_help(!flag.common);
            if let Some(values) = flag.values {
                arg = arg.value_parser(PossibleValuesParser::new(values));
            }
            command = command.arg(arg);
        }
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}
