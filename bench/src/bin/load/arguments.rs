//! What the command line asks for.

use std::time::Duration;

pub(crate) const USAGE: &str = "\
usage: load [OPTION…]                    drives the API and writes what it saw
       load cost                         calculates what Lambda costs from the measured processor times
       load publish NAME FILE [DOCUMENT] puts a file between the markers NAME [docs/performance.md]

  short                the same as --seconds 10
  --seconds N          how long to drive, without the warm-up [60]
  --local BINARY       the local run that is started and driven [beside this program]
  --ops BINARY         the operator's command line, which creates the organizations [beside this program]
  --url URL            drive this deployment instead; ops works on what its environment names
  --ready FILE         the deployment is a local run that has left this ready.json
  --rate N             send N calls a second, whether or not earlier ones are answered [as fast as 32 connections can]
  --without-carrier    no searches and purchases: the deployment has no account at the carrier
  --report FILE        write the table into this file [docs/performance.md, between the markers of 'load']";

/// What one run does.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Arguments {
    Drive(Plan),
    Cost,
    Publish { name: String, file: String, document: Option<String> },
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) length: Duration,
    pub(crate) local: Option<String>,
    pub(crate) ops: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) ready: Option<String>,
    /// Calls a second; without it each connection sends its next call after the last answer.
    pub(crate) rate: Option<u32>,
    pub(crate) without_carrier: bool,
    pub(crate) report: Option<String>,
}

impl Plan {
    /// A tenth of the run, and at most 5 seconds.
    pub(crate) fn warm_up(&self) -> Duration {
        (self.length / 10).min(Duration::from_secs(5))
    }
}

impl Arguments {
    /// Reads the words after the program's name.
    pub(crate) fn parse(words: &[String]) -> Result<Self, String> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["cost"] => Ok(Self::Cost),
            ["publish", name, file] => Ok(publish(name, file, None)),
            ["publish", name, file, document] => Ok(publish(name, file, Some(*document))),
            options => plan(options).map(Self::Drive),
        }
    }
}

fn publish(name: &str, file: &str, document: Option<&str>) -> Arguments {
    Arguments::Publish { name: name.to_owned(), file: file.to_owned(), document: document.map(str::to_owned) }
}

fn plan(options: &[&str]) -> Result<Plan, String> {
    let mut plan = Plan { length: Duration::from_mins(1), ..Plan::default() };
    let mut options = options.iter();
    while let Some(option) = options.next() {
        let mut value = || options.next().map(ToString::to_string).ok_or(format!("{option} needs a value"));
        match *option {
            "short" => plan.length = Duration::from_secs(10),
            "--seconds" => plan.length = Duration::from_secs(positive(option, &value()?)?.into()),
            "--rate" => plan.rate = Some(positive(option, &value()?)?),
            "--local" => plan.local = Some(value()?),
            "--ops" => plan.ops = Some(value()?),
            "--url" => plan.url = Some(value()?.trim_end_matches('/').to_owned()),
            "--ready" => plan.ready = Some(value()?),
            "--report" => plan.report = Some(value()?),
            "--without-carrier" => plan.without_carrier = true,
            other => return Err(format!("no option '{other}'\n{USAGE}")),
        }
    }
    Ok(plan)
}

fn positive(option: &str, text: &str) -> Result<u32, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or(format!("{option} needs a whole number above 0, not '{text}'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, String> {
        Arguments::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn a_run_takes_a_minute_unless_it_is_told_otherwise() {
        for (line, seconds, warm_up) in [("", 60, 5000), ("short", 10, 1000), ("--seconds 4", 4, 400)] {
            let Ok(Arguments::Drive(plan)) = parse(line) else { panic!("{line}") };
            assert_eq!((plan.length.as_secs(), plan.warm_up().as_millis()), (seconds, warm_up), "{line}");
        }
    }

    #[test]
    fn a_deployment_is_driven_at_a_rate() {
        let plan = Plan {
            length: Duration::from_mins(10),
            url: Some("https://api.example.com".to_owned()),
            rate: Some(300),
            without_carrier: true,
            ..Plan::default()
        };
        let line = "--url https://api.example.com/ --rate 300 --seconds 600 --without-carrier";
        assert_eq!(parse(line), Ok(Arguments::Drive(plan)));
    }

    #[test]
    fn a_mistake_is_named() {
        for (line, named) in
            [("--rate", "--rate"), ("--rate 0", "'0'"), ("--seconds x", "'x'"), ("--speed 3", "'--speed'")]
        {
            assert!(parse(line).unwrap_err().contains(named), "{line}");
        }
    }
}
