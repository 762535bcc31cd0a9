//! The manifest: a YAML file that lists the tokens to rotate in one step. Its keys are inputs of the task, read by the same
//! rules. Every fault of the file is found before anything is sent, each with its line and column.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::agent::environment::unexpanded_macro;
use crate::model::organization::Organization;
use crate::model::secret::is_like_a_secret;
use crate::model::text::{one_line, quoted};
use crate::settings::access::Pipeline;
use crate::settings::command::{Entry, ManySettings};
use crate::settings::fault::Fault;
use crate::settings::inputs::{Inputs, nearest_of, of_entry};
use crate::settings::reader::{Reader, Seen};
use crate::settings::task_json;
use crate::settings::yaml::{At, Key, Node, Value, parse};

/// The keys of an entry: inputs of the task.
pub const ENTRY_KEYS: [&str; 9] = [
    "patName",
    "organization",
    "scopes",
    "validForDays",
    "rotateWhenDaysLeft",
    "createIfMissing",
    "replaceAuthorizationId",
    "overlapHours",
    "publishTo",
];

/// The keys of `defaults`: what more than one entry can have.
pub const DEFAULT_KEYS: [&str; 6] =
    ["organization", "scopes", "validForDays", "rotateWhenDaysLeft", "createIfMissing", "overlapHours"];

/// Inputs that are about one token, or about a job that gets the value.
const NOT_BESIDE_IT: [&str; 12] = [
    "patName",
    "scopes",
    "validForDays",
    "rotateWhenDaysLeft",
    "createIfMissing",
    "replaceAuthorizationId",
    "overlapHours",
    "publishTo",
    "variable",
    "confirmVariable",
    "retireOldPat",
    "canary",
];

const MANIFEST: &str = "manifest";
/// A line for each token is a few hundred bytes.
const LARGEST: u64 = 1 << 20;
const MOST_ENTRIES: usize = 1000;

/// The keys that an entry or the defaults give, each with where it stands.
type Given = Vec<(&'static str, String, At)>;

impl Reader<'_> {
    /// Reads the file that `manifest` names.
    pub(super) fn many(
        &mut self,
        inputs: &Inputs,
        seen: Seen<'_>,
        pipeline: Option<&Pipeline>,
        organization: Option<&Organization>,
    ) -> Option<ManySettings> {
        let file = inputs.manifest.as_deref()?;
        self.not_beside_it();
        let run = self.run();
        let path = self.path_of(file)?;
        let root = read(&path).and_then(|text| {
            parse(&text).map_err(|wrong| {
                let sentence = format!("is not YAML that can be read: {}", one_line(&wrong.what));
                Fault::in_file(MANIFEST, &sentence).at(place(file, wrong.at))
            })
        });
        let root = match root {
            Ok(root) => root,
            Err(fault) => {
                self.faults.push(fault);
                return None;
            }
        };
        let mut manifest = Manifest { reader: self, file, inputs, seen, pipeline, organization, faults: Vec::new() };
        let entries = manifest.entries(root);
        let mut faults = manifest.faults;
        faults.sort_by_key(|(at, _)| *at);
        let are_well = faults.is_empty();
        self.faults.extend(faults.into_iter().map(|(_, fault)| fault));
        Some(ManySettings { file: one_line(file), entries, run: run? }).filter(|_| are_well)
    }

    /// The agent hands over defaults as if they were given.
    fn not_beside_it(&mut self) {
        for input in NOT_BESIDE_IT {
            let default = task_json::input(input).map_or("", |input| input.default);
            let given = self.environment.get(&format!("INPUT_{}", input.to_uppercase()));
            if given.is_some_and(|given| given != default) {
                let predicate = if ENTRY_KEYS.contains(&input) {
                    "is not used beside `manifest`: write it in the file, for an entry or in `defaults`"
                } else {
                    "is not used beside `manifest`, whose values go to the places in the file only"
                };
                self.fault(input, predicate);
            }
        }
    }

    fn path_of(&mut self, file: &str) -> Option<PathBuf> {
        let path = Path::new(file);
        if path.is_absolute() {
            return Some(path.to_owned());
        }
        let folder = self.environment.get("SYSTEM_DEFAULTWORKINGDIRECTORY");
        if folder.is_none() {
            self.required("SYSTEM_DEFAULTWORKINGDIRECTORY", "the folder that `manifest` is looked for in");
        }
        Some(Path::new(folder?).join(path))
    }
}

fn read(path: &Path) -> Result<String, Fault> {
    let shown = quoted(&path.to_string_lossy());
    let failed = |why: &str| Fault::new(MANIFEST, &format!("names {shown}, which {why}"));
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes))
        .map_err(|error| failed(&format!("could not be read: {}", one_line(&error.to_string()))))?;
    if bytes.len() as u64 > LARGEST {
        return Err(failed("is larger than 1 MiB"));
    }
    let text = String::from_utf8(bytes).map_err(|_| failed("is not UTF-8 text"))?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned())
}

fn place(file: &str, at: At) -> String {
    format!("{}:{}:{}", one_line(file), at.line, at.column)
}

struct Manifest<'a, 'b> {
    reader: &'a mut Reader<'b>,
    file: &'a str,
    inputs: &'a Inputs,
    seen: Seen<'a>,
    pipeline: Option<&'a Pipeline>,
    /// That of the entries that name none.
    organization: Option<&'a Organization>,
    /// Of the file, with where they stand.
    faults: Vec<(At, Fault)>,
}

impl Manifest<'_, '_> {
    fn entries(&mut self, root: Node) -> Vec<Entry> {
        let expected = "must have the keys `tokens` and perhaps `defaults`";
        let Value::Map(top) = root.value else {
            self.fault(root.at, expected);
            return Vec::new();
        };
        let (mut defaults, mut tokens) = (Given::new(), None);
        for (key, node) in self.once(top, &["defaults", "tokens"]) {
            match (key.name.as_str(), node.value) {
                ("defaults", Value::Nothing) => {}
                ("defaults", Value::Map(entries)) => defaults = self.given(entries, &DEFAULT_KEYS, ""),
                ("tokens", Value::List(list)) => tokens = Some(list),
                ("defaults", _) => self.fault(node.at, "`defaults` must be keys with their values"),
                _ => self.fault(node.at, "`tokens` must be a list, an entry for each token"),
            }
        }
        let Some(tokens) = tokens else {
            if self.faults.is_empty() {
                self.fault(root.at, expected);
            }
            return Vec::new();
        };
        if tokens.is_empty() || tokens.len() > MOST_ENTRIES {
            self.fault(root.at, &format!("`tokens` must have from 1 to {MOST_ENTRIES} entries"));
            return Vec::new();
        }
        let mut entries = Vec::<(Entry, At)>::new();
        for node in tokens {
            let at = node.at;
            if let Some(entry) = self.entry(node, &defaults) {
                self.is_new(&entry, at, &entries);
                entries.push((entry, at));
            }
        }
        entries.into_iter().map(|(entry, _)| entry).collect()
    }

    fn entry(&mut self, node: Node, defaults: &Given) -> Option<Entry> {
        let Value::Map(keys) = node.value else {
            self.fault(node.at, "an entry must be keys with their values, such as `patName: nuget-publish`");
            return None;
        };
        let name = keys.iter().find_map(|(key, value)| match &value.value {
            Value::Text(name) if key.name == "patName" => Some(quoted(name)),
            _ => None,
        });
        let label = name.map(|name| format!(" {name}")).unwrap_or_default();
        let before = self.faults.len();
        let mut given = self.given(keys, &ENTRY_KEYS, &label);
        let own: Vec<&str> = given.iter().map(|(key, ..)| *key).collect();
        let rest: Given = defaults.iter().filter(|(key, ..)| !own.contains(key)).cloned().collect();
        given.extend(rest);
        let at = |input: &str| given.iter().find(|(key, ..)| *key == input).map_or(node.at, |(.., at)| *at);
        let value = |input: &str| given.iter().find(|(key, ..)| *key == input).map(|(_, value, _)| value.as_str());
        if self.faults.len() == before {
            for (key, meaning) in [
                ("patName", "the name of the personal access token to rotate"),
                ("publishTo", "where the new value goes; a manifest has no job variable"),
            ] {
                if value(key).is_none() {
                    self.push(Fault::required(key, meaning), node.at, &label);
                }
            }
        }
        if self.faults.len() > before {
            return None;
        }
        // The rules of the inputs, for this entry.
        let outer = std::mem::take(&mut self.reader.faults);
        let organization = match value("organization") {
            Some(given) => self.reader.organization(Some(given), self.pipeline),
            None => self.organization.cloned(),
        };
        let values: Vec<(&'static str, String)> = given
            .iter()
            .map(|(key, value, _)| (*key, value.clone()))
            .chain([("retireOldPat", "immediately".to_owned())])
            .collect();
        let rotation = of_entry(&values).ok().and_then(|mut inputs| {
            inputs.refresh_token_store.clone_from(&self.inputs.refresh_token_store);
            inputs.refresh_token_secret.clone_from(&self.inputs.refresh_token_secret);
            inputs.dry_run.clone_from(&self.inputs.dry_run);
            let is_on_loopback = organization.as_ref().map(|organization| organization.loopback().is_some());
            self.reader.rotate(&inputs, Seen { is_on_loopback, ..self.seen }, true)
        });
        for fault in std::mem::replace(&mut self.reader.faults, outer) {
            if ENTRY_KEYS.contains(&fault.input) {
                let is_default = !own.contains(&fault.input) && value(fault.input).is_some();
                let at = at(fault.input);
                self.push(fault, at, if is_default { "" } else { &label });
            } else if !self.reader.faults.contains(&fault) {
                self.reader.faults.push(fault);
            }
        }
        let (organization, rotation) = (organization?, rotation?);
        let shown = if self.organization.is_some_and(|usual| *usual == organization) {
            rotation.request.name.as_str().to_owned()
        } else {
            format!("{} in {}", rotation.request.name.as_str(), organization.name)
        };
        Some(Entry { shown, organization, rotation })
    }

    /// No two entries are one token or write to one place.
    fn is_new(&mut self, new: &Entry, at: At, entries: &[(Entry, At)]) {
        for (known, other) in entries {
            let is_same = known.organization == new.organization
                && known.rotation.request.name.as_str().eq_ignore_ascii_case(new.rotation.request.name.as_str());
            if is_same {
                let sentence = format!("{} is the token of line {} too", quoted(&new.shown), other.line);
                self.fault(at, &sentence);
            }
            for destination in &new.rotation.publish_to {
                if known.rotation.publish_to.iter().any(|place| place.clashes(destination)) {
                    let sentence = format!("the entry of line {} writes to {destination} too", other.line);
                    self.fault(at, &sentence);
                }
            }
        }
    }

    /// The keys that may stand here, as the texts that an input would have.
    fn given(&mut self, entries: Vec<(Key, Node)>, known: &[&'static str], label: &str) -> Given {
        let mut given = Given::new();
        for (key, node) in self.once(entries, known) {
            let Some(name) = known.iter().find(|known| **known == key.name) else { continue };
            match text_of(name, node.value) {
                Ok(value) if is_like_a_secret(&value) => {
                    let fault = Fault::new(name, "must not be a secret; the given value looks like a secret");
                    self.push(fault, key.at, label);
                }
                Ok(value) => match unexpanded_macro(&value) {
                    None => given.push((*name, value, key.at)),
                    Some(found) => {
                        let fault = Fault::new(name, &format!("uses {found}, which nothing replaces in a file"));
                        self.push(fault, key.at, label);
                    }
                },
                Err(expected) => self.push(Fault::must_be(name, expected), key.at, label),
            }
        }
        given
    }

    /// The entries with a known key; a key may stand once.
    fn once(&mut self, entries: Vec<(Key, Node)>, known: &[&'static str]) -> Vec<(Key, Node)> {
        let mut kept = Vec::<(Key, Node)>::new();
        for (key, node) in entries {
            if !known.contains(&key.name.as_str()) {
                let nearest = nearest_of(&key.name, known.iter().map(|word| (*word, *word)));
                let meant = nearest.map(|nearest| format!("; did you mean `{nearest}`?")).unwrap_or_default();
                self.fault(key.at, &format!("{} is not a key here{meant}", quoted(&key.name)));
            } else if let Some((first, _)) = kept.iter().find(|(first, _)| first.name == key.name) {
                let line = first.at.line;
                self.fault(key.at, &format!("`{}` stands in line {line} already", key.name));
            } else {
                kept.push((key, node));
            }
        }
        kept
    }

    fn fault(&mut self, at: At, sentence: &str) {
        self.push(Fault::in_file(MANIFEST, sentence), at, "");
    }

    fn push(&mut self, fault: Fault, at: At, label: &str) {
        let fault = (at, fault.at(format!("{}{label}", place(self.file, at))));
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }
}

/// The value as the input would have it: a list of places as lines, a list of scopes as words.
fn text_of(key: &str, value: Value) -> Result<String, &'static str> {
    match (key, value) {
        (_, Value::Text(text)) => Ok(text),
        ("publishTo", Value::List(items)) => items
            .into_iter()
            .map(line_of)
            .collect::<Option<Vec<_>>>()
            .map(|l| l.join("\n"))
            .ok_or("a list of places such as `- keyVault: contoso-kv/nuget-pat`"),
        ("scopes", Value::List(items)) => {
            let words = items.into_iter().map(|item| match item.value {
                Value::Text(word) => Some(word),
                _ => None,
            });
            words
                .collect::<Option<Vec<_>>>()
                .map(|words| words.join(" "))
                .ok_or("a list of scopes such as `- vso.packaging_write`")
        }
        (_, Value::Nothing) => Err("a value: there is none"),
        _ => Err("one value"),
    }
}

/// `- keyVault: vault/secret` is a map of one key.
fn line_of(item: Node) -> Option<String> {
    match item.value {
        Value::Text(line) => Some(line),
        Value::Map(mut entries) if entries.len() == 1 => match entries.pop() {
            Some((key, Node { value: Value::Text(place), .. })) => Some(format!("{}: {place}", key.name)),
            _ => None,
        },
        _ => None,
    }
}
