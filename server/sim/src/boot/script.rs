//! The iPXE scripts that the boot endpoint sends, read as iPXE reads them (<https://ipxe.org/scripting>), as far as they
//! go: `chain`, `kernel`, `initrd`, `boot`, `exit`, `sanboot`, `sleep`, `iseq`, `echo`, `goto`, labels, `&&`, `||`, and
//! `${..}` settings. A command that is not known fails, as it does in iPXE.
//!
//! This file only reads: [`Script::advance`] says which command comes next, the firmware carries it out and says how it
//! ended. Invariant: every script is bounded in length, and between two commands that take time there is a bounded
//! number of steps.

use std::collections::HashMap;

/// The longest script that is read, in bytes.
pub const LONGEST: usize = 64 << 10;
/// Steps between two commands that take time; a script that takes more is one that turns in a circle.
const STEPS: u32 = 10_000;

/// Why a script ends badly.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Without the first line of one.
    #[error("it does not begin with #!ipxe")]
    NoScript,
    /// A jump to nowhere.
    #[error("there is no label {0}")]
    NoLabel(String),
    /// Round and round.
    #[error("it turns in a circle")]
    Circle,
    /// A command failed and nothing was to be done then.
    #[error("the command {0} failed")]
    Failed(String),
}

/// Something that the firmware has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Go on with another script.
    Chain(String),
    /// Fetch a kernel; the rest is its command line.
    Kernel(String, String),
    /// Fetch an initramfs.
    Initrd(String),
    /// Start the kernel.
    Boot,
    /// Back to the firmware.
    Exit,
    /// Start the disk.
    SanBoot,
    /// Wait so many seconds.
    Sleep(u64),
}

/// A script that is being run.
#[derive(Debug)]
pub struct Script<'a> {
    lines: Vec<&'a str>,
    labels: HashMap<&'a str, usize>,
    settings: HashMap<&'static str, String>,
    line: usize,
    /// Commands of the present line that are still to come.
    rest: Vec<(Joint, Vec<String>)>,
    /// How the last command ended.
    last: Ended,
    asked: Option<String>,
    steps: u32,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Well.
    Well,
    /// Badly.
    Badly,
}

/// What joins a command to the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Joint {
    First,
    And,
    Or,
}

impl<'a> Script<'a> {
    /// Reads a script; `settings` are what `${..}` stands for.
    ///
    /// # Errors
    /// It is none.
    pub fn new(text: &'a str, settings: HashMap<&'static str, String>) -> Result<Self, Error> {
        let mut lines = text.lines();
        if text.len() > LONGEST || lines.next().map(str::trim) != Some("#!ipxe") {
            return Err(Error::NoScript);
        }
        let lines: Vec<&str> = lines.map(str::trim).collect();
        let label = |(at, line): (usize, &&'a str)| line.strip_prefix(':').map(|name| (name.trim(), at));
        let labels = lines.iter().enumerate().filter_map(label).collect();
        Ok(Self {
            lines,
            labels,
            settings,
            line: 0,
            rest: Vec::new(),
            last: Ended::Well,
            asked: None,
            steps: 0,
        })
    }

    /// How the command that [`Script::advance`] gave ended.
    pub fn ended(&mut self, how: Ended) {
        self.last = how;
    }

    /// The next command to carry out; `None` at the script's end.
    ///
    /// # Errors
    /// The script ends badly.
    pub fn advance(&mut self) -> Result<Option<Command>, Error> {
        loop {
            self.steps += 1;
            if self.steps > STEPS {
                return Err(Error::Circle);
            }
            if self.rest.is_empty() && !self.next_line()? {
                return Ok(None);
            }
            let (joint, words) = self.rest.remove(0);
            let runs = match joint {
                Joint::First => true,
                Joint::And => self.last == Ended::Well,
                Joint::Or => self.last == Ended::Badly,
            };
            if !runs {
                continue;
            }
            if let Some(command) = self.run(&words)? {
                self.asked = words.first().cloned();
                if matches!(command, Command::Sleep(_)) {
                    self.steps = 0;
                }
                return Ok(Some(command));
            }
        }
    }

    /// Takes the next line with commands on it. A line that ended badly ends the script.
    fn next_line(&mut self) -> Result<bool, Error> {
        loop {
            if self.last == Ended::Badly {
                return Err(Error::Failed(self.asked.clone().unwrap_or_default()));
            }
            let Some(line) = self.lines.get(self.line) else { return Ok(false) };
            self.line += 1;
            if line.is_empty() || line.starts_with('#') || line.starts_with(':') {
                continue;
            }
            self.rest = split(line);
            if !self.rest.is_empty() {
                return Ok(true);
            }
        }
    }

    /// Carries out what needs nothing but the script, and gives back what needs more.
    fn run(&mut self, words: &[String]) -> Result<Option<Command>, Error> {
        let words: Vec<String> = words.iter().map(|word| self.expanded(word)).collect();
        let texts: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut last = Ended::Well;
        let command = match texts.as_slice() {
            // Nothing behind `||`: whatever ended badly is forgiven.
            [] | ["echo", ..] => None,
            ["iseq", one, other] => {
                last = if one == other { Ended::Well } else { Ended::Badly };
                None
            }
            ["goto", label] => {
                self.line =
                    self.labels.get(label).copied().ok_or_else(|| Error::NoLabel((*label).to_owned()))? + 1;
                self.rest.clear();
                None
            }
            ["chain", options @ .., url] if options.iter().all(|word| word.starts_with("--")) => {
                Some(Command::Chain((*url).to_owned()))
            }
            ["kernel", url, line @ ..] => Some(Command::Kernel((*url).to_owned(), line.join(" "))),
            ["initrd", "--name", _, url] | ["initrd", url] => Some(Command::Initrd((*url).to_owned())),
            ["boot"] => Some(Command::Boot),
            ["exit", ..] => Some(Command::Exit),
            ["sanboot", ..] => Some(Command::SanBoot),
            ["sleep", seconds] => seconds.parse().ok().map(Command::Sleep),
            _ => {
                last = Ended::Badly;
                None
            }
        };
        self.last = last;
        if last == Ended::Badly {
            self.asked = words.first().cloned();
        }
        Ok(command)
    }

    /// With `${name}` replaced; one that is not set is empty.
    fn expanded(&self, word: &str) -> String {
        let (mut out, mut rest) = (String::new(), word);
        while let Some((before, after)) = rest.split_once("${") {
            out.push_str(before);
            let Some((name, after)) = after.split_once('}') else { return out };
            out.push_str(self.settings.get(name).map_or("", String::as_str));
            rest = after;
        }
        out + rest
    }
}

/// The commands of a line and what joins them.
fn split(line: &str) -> Vec<(Joint, Vec<String>)> {
    let (mut joint, mut words, mut commands) = (Joint::First, Vec::new(), Vec::new());
    for word in line.split_ascii_whitespace() {
        let next = match word {
            "&&" => Joint::And,
            "||" => Joint::Or,
            word => {
                words.push(word.to_owned());
                continue;
            }
        };
        commands.push((joint, std::mem::take(&mut words)));
        joint = next;
    }
    commands.push((joint, words));
    commands
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(platform: &str) -> HashMap<&'static str, String> {
        HashMap::from([("platform", platform.to_owned()), ("netX/mac", "02:00:00:00:00:01".to_owned())])
    }

    /// Every command until the script's end, each ending as `ends` says.
    fn run(text: &str, platform: &str, ends: impl Fn(&Command) -> Ended) -> (Vec<Command>, Option<Error>) {
        let mut script = match Script::new(text, settings(platform)) {
            Ok(script) => script,
            Err(error) => return (Vec::new(), Some(error)),
        };
        let mut commands = Vec::new();
        loop {
            match script.advance() {
                Ok(Some(Command::Exit)) => {
                    commands.push(Command::Exit);
                    return (commands, None);
                }
                Ok(Some(command)) if commands.len() < 20 => {
                    script.ended(ends(&command));
                    commands.push(command);
                }
                Ok(_) => return (commands, None),
                Err(error) => return (commands, Some(error)),
            }
        }
    }

    const AGENT: &str = "#!ipxe\necho hello\nkernel http://h/k initrd=initrd a=b || goto again\ninitrd --name initrd http://h/i || goto again\nboot || goto again\n:again\nsleep 5\nchain --replace --autofree http://h/boot.ipxe || goto again\n";

    #[test]
    fn the_agents_script_loads_and_boots() {
        let (commands, error) = run(AGENT, "efi", |_| Ended::Well);
        assert_eq!(commands[0], Command::Kernel("http://h/k".into(), "initrd=initrd a=b".into()));
        assert_eq!(commands[1..3], [Command::Initrd("http://h/i".into()), Command::Boot]);
        assert_eq!(error, None);
    }

    #[test]
    fn what_fails_is_tried_again_after_a_while() {
        let (commands, _) = run(AGENT, "efi", |command| match command {
            Command::Kernel(..) => Ended::Badly,
            _ => Ended::Well,
        });
        assert_eq!(commands[1..], [Command::Sleep(5), Command::Chain("http://h/boot.ipxe".into())]);
        let (commands, error) = run(AGENT, "efi", |command| match command {
            Command::Sleep(_) => Ended::Well,
            _ => Ended::Badly,
        });
        assert_eq!((commands.len(), error), (20, None), "it goes on for as long as it is let");
    }

    #[test]
    fn the_disks_script_exits_under_uefi_and_starts_the_disk_under_bios() {
        let text = "#!ipxe\necho x\niseq ${platform} efi && exit 1 ||\nsanboot --no-describe --drive 0x80 || exit 1\n";
        assert_eq!(run(text, "efi", |_| Ended::Well), (vec![Command::Exit], None));
        assert_eq!(run(text, "pcbios", |_| Ended::Well), (vec![Command::SanBoot], None));
        assert_eq!(run(text, "pcbios", |_| Ended::Badly), (vec![Command::SanBoot, Command::Exit], None));
    }

    #[test]
    fn settings_are_put_in_and_unknown_ones_are_empty() {
        let text = "#!ipxe\nchain http://h/v1/ipxe/${netX/mac}/${nothing}x\n";
        let wanted = Command::Chain("http://h/v1/ipxe/02:00:00:00:00:01/x".into());
        assert_eq!(run(text, "efi", |_| Ended::Well).0, [wanted]);
    }

    #[test]
    fn bad_scripts_end_badly_and_circles_are_noticed() {
        let ends = |text: &str| run(text, "efi", |_| Ended::Well).1;
        assert_eq!(ends("<html>"), Some(Error::NoScript));
        assert_eq!(ends("#!ipxe\ngoto nowhere\n"), Some(Error::NoLabel("nowhere".into())));
        assert_eq!(ends("#!ipxe\n:here\ngoto here\n"), Some(Error::Circle));
        assert_eq!(ends("#!ipxe\nfrobnicate\necho x\n"), Some(Error::Failed("frobnicate".into())));
        assert_eq!(ends("#!ipxe\nfrobnicate ||\necho ${x\n"), None);
    }
}
