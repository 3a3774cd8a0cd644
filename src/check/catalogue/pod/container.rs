//! What a container runs, and on what kind of node: as far as its manifest says it.

use crate::check::subject::Subject;
use crate::scenario::document::Node;
use crate::scenario::pre_stop;

/// Images whose names say that they hold a program and nothing else: `gcr.io/distroless/…`, `…-distroless`, a tag
/// `1.2-distroless` or `8.0-jammy-chiseled`. What merely has such a word in its name may be anything.
pub fn has_no_shell(image: &str) -> bool {
    let image = image.split('@').next().unwrap_or(image);
    let (path, tag) = image.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).unwrap_or((image, ""));
    let is_bare = |word: &str| ["distroless", "chiseled"].contains(&word);
    let words = |text: &'_ str| text.split(['-', '_', '.']).map(str::to_owned).collect::<Vec<_>>();
    let segments: Vec<&str> = path.split('/').collect();
    let by_path = segments.iter().any(|segment| is_bare(segment)) || path.contains("chainguard/static");
    let by_name = segments.last().is_some_and(|name| words(name).last().is_some_and(|word| is_bare(word)));
    let by_tag = words(tag).iter().any(|word| is_bare(word));
    // The variant for people who want to look inside has a shell.
    (by_path || by_name || by_tag) && !tag.contains("debug") && !tag.contains("dev")
}

/// Whether a command is `sleep` or a shell, which an image has or has not; a program of the user's own is in it.
pub fn needs_a_shell(words: &[&str]) -> bool {
    words.first().is_some_and(|word| pre_stop::is_shell(word) || word.rsplit('/').next() == Some("sleep"))
}

/// The script of a container whose command is a shell, with its key.
pub fn script<'a>(subject: &Subject<'a>) -> Option<(String, &'a str)> {
    let words_of = |key: &str| subject.container(key).and_then(pre_stop::words).unwrap_or_default();
    let (command, arguments) = (words_of("command"), words_of("args"));
    let words: Vec<(String, &str)> = command
        .iter()
        .enumerate()
        .map(|(index, word)| (format!("command[{index}]"), *word))
        .chain(arguments.iter().enumerate().map(|(index, word)| (format!("args[{index}]"), *word)))
        .collect();
    let (_, shell) = words.first().filter(|_| !command.is_empty())?;
    let (_, flags) = words.get(1)?;
    let is_script = pre_stop::is_shell(shell) && flags.starts_with('-') && flags.ends_with('c');
    words.get(2).filter(|_| is_script).cloned()
}

/// Whether a script has several commands, none of which takes the shell's place, and no other way to pass signals on.
pub fn keeps_its_shell(script: &str) -> bool {
    let separators = [";", "&&", "||", "|", "\n"];
    let is_list = separators.iter().any(|separator| script.trim().trim_end_matches(';').contains(separator));
    is_list && !["exec ", "trap ", "tini", "dumb-init"].iter().any(|other| script.contains(other))
}

/// `exec` before the last command, where that is a program's.
pub fn with_exec(script: &str) -> Option<String> {
    let script = script.trim_end();
    let at = ["&&", ";"].iter().filter_map(|separator| script.rfind(separator).map(|at| at + separator.len())).max()?;
    let (before, last) = script.split_at(at);
    let last = last.trim_start();
    let is_plain = !last.is_empty() && !last.contains(['|', '&', '\n', '(', '{']);
    let is_program = is_plain && !["done", "fi", "esac"].contains(&last.split_whitespace().next()?);
    is_program.then(|| format!("{before} exec {last}"))
}

/// A container through which requests go in or out, by its name or its image.
pub fn is_proxy(container: &Node) -> bool {
    let text = |key: &str| container.table().and_then(|table| table.find(key)).and_then(Node::text).unwrap_or_default();
    let names = format!("{} {}", text("name"), text("image"));
    // Scraped by Prometheus, not on the way of a request.
    let is_for_metrics = names.contains("rbac") || names.contains("exporter");
    let proxies = ["envoy", "proxy", "nginx", "traefik", "caddy"];
    !is_for_metrics && proxies.iter().any(|proxy| names.contains(proxy))
}

/// Keys by which Karpenter, managed node groups and the older habits tell spot instances.
const CAPACITY_TYPES: [&str; 3] =
    ["karpenter.sh/capacity-type", "eks.amazonaws.com/capacityType", "node.kubernetes.io/lifecycle"];

/// Whether the pod is bound to spot instances; one that only tolerates them may run elsewhere.
pub fn runs_on_spot(subject: &Subject<'_>) -> bool {
    const REQUIRED: &str = "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms";
    let is_spot = |node: &Node| node.text().is_some_and(|text| text.eq_ignore_ascii_case("spot"));
    let selector = subject.pod("nodeSelector").and_then(Node::table).map_or(&[][..], |table| &table.entries);
    let is_selected =
        selector.iter().any(|entry| CAPACITY_TYPES.contains(&entry.key.as_str()) && is_spot(&entry.value));
    let demands_spot = |expression: &Node| {
        let Some(table) = expression.table() else { return false };
        let text = |key: &str| table.find(key).and_then(Node::text).unwrap_or_default();
        let values = table.find("values").and_then(Node::array).unwrap_or_default();
        CAPACITY_TYPES.contains(&text("key"))
            && text("operator") == "In"
            && !values.is_empty()
            && values.iter().all(is_spot)
    };
    let terms = subject.pod(REQUIRED).and_then(Node::array).unwrap_or_default();
    let expressions = |term: &'_ Node| -> bool {
        let list = term.table().and_then(|table| table.find("matchExpressions")).and_then(Node::array);
        list.is_some_and(|list| list.iter().any(demands_spot))
    };
    is_selected || !terms.is_empty() && terms.iter().all(expressions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_without_a_shell_are_known_by_their_names() {
        for (image, expected) in [
            ("gcr.io/distroless/java21-debian12:nonroot", true),
            ("gcr.io/distroless/base:debug", false),
            ("gcr.io/distroless/base:debug-nonroot", false),
            ("mcr.microsoft.com/dotnet/aspnet:9.0-noble-chiseled", true),
            ("cgr.dev/chainguard/static:latest", true),
            ("registry:5000/distroless/static@sha256:0123", true),
            ("envoyproxy/envoy:distroless-v1.34.0", true),
            ("docker.io/istio/proxyv2:1.26.0-distroless", true),
            ("example.com/base/java21-distroless:v1", true),
            ("nginx:1.29", false),
            ("example.com/distroless-migration/web:v1", false),
            ("example.com/not-distroless-any-more:v1", false),
            ("registry-of-chiseled.example.com:5000/web", false),
        ] {
            assert_eq!(has_no_shell(image), expected, "{image}");
        }
        assert!(needs_a_shell(&["/bin/sleep", "5"]) && needs_a_shell(&["sh", "-c", "sleep 5"]));
        assert!(!needs_a_shell(&["/app/drain"]));
    }

    #[test]
    fn exec_takes_the_place_of_the_shell() {
        for (script, with) in [
            ("./migrate; ./serve", Some("./migrate; exec ./serve")),
            ("cd /app && java -jar app.jar", Some("cd /app && exec java -jar app.jar")),
            ("java -jar app.jar | tee log", None),
            ("while true; do ./serve; done", None),
        ] {
            assert!(keeps_its_shell(script), "{script}");
            assert_eq!(with_exec(script).as_deref(), with, "{script}");
        }
        for script in ["java -jar app.jar", "./serve;", "./migrate; exec ./serve", "trap 'kill 0' TERM; ./serve"] {
            assert!(!keeps_its_shell(script), "{script}");
        }
    }
}
