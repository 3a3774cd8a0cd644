"""Reads what a sweep writes for CI systems with other people's readers, and the examples with other people's schemas.

Usage: readers.py SIM, in the project's folder; SIM is built with all features. A sweep is played into target/readers/."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import duckdb
from hera.workflows import Workflow
import yaml
from junitparser import JUnitXml
from markdown_it import MarkdownIt
from sarif import loader as sarif_loader

sim = str(Path(sys.argv[1]).resolve())
folder = Path("target/readers/out")
folder.mkdir(parents=True, exist_ok=True)
summary = folder / "summary.md"
summary.unlink(missing_ok=True)

# Safe cells, cells that lose requests, a cell that can't run; a value with all that needs escaping.
scenario = "scenarios/sweeps/pre-stop.toml"
sweep = [sim, "sweep", scenario, "--seeds", "1", "--vary", "load_balancer.deregistration=10s,30s",
         "--vary", "rollout.template.spec.containers[0].lifecycle.preStop.sleep.seconds=1,20,99",
         "--vary", 'rollout.template.spec.containers[0].name="a, <b> & | 100%",web', "--runs", "--parquet"]
files = {name: folder / name for name in ("junit.xml", "report.md", "gitlab.json")}
output = folder / "sweep"
if output.exists():
    for file in output.iterdir():
        file.unlink()
done = subprocess.run(
    [*sweep, "-o", output, "--junit", files["junit.xml"], "--markdown", files["report.md"], "--gitlab", files["gitlab.json"]],
    capture_output=True, text=True, env={**os.environ, "GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)})
assert done.returncode == 2, (done.returncode, done.stderr)

cells = duckdb.sql(f"select * from read_csv('{output}/cells.csv', header = true)")
states = duckdb.sql("select count(*) filter (met), count(*) filter (not met), count(*) filter (met is null) from cells").fetchall()[0]
assert sum(states) == 12 and all(states), states
runs = duckdb.sql(f"select count(*) from read_csv('{output}/runs.csv', header = true)").fetchall()[0]
assert runs == (states[0] + states[1],), runs
# Text stays text, numbers are numbers, and no value is lost on the way from CSV.
parquet = duckdb.sql(f"select * from '{output}/runs.parquet'")
csv = duckdb.sql(f"select * from read_csv('{output}/runs.csv', header = true, types = {{'fingerprint': 'VARCHAR'}})")
types = dict(zip(parquet.columns, map(str, parquet.types)))
assert (types["seed"], types["elb_5xx"], types["fingerprint"]) == ("UBIGINT", "DOUBLE", "VARCHAR"), types
assert types["rollout.template.spec.containers[0].lifecycle.preStop.sleep.seconds"] == "DOUBLE", types
assert types["load_balancer.deregistration"] == "VARCHAR", types
assert parquet.columns == csv.columns
assert [tuple(map(str, row)) for row in parquet.fetchall()] == [
    tuple(str(float(cell)) if types[name] == "DOUBLE" else str(cell) for name, cell in zip(csv.columns, row))
    for row in csv.fetchall()]
values = duckdb.sql('select distinct "rollout.template.spec.containers[0].name" from cells').fetchall()
assert ('"a, <b> & | 100%"',) in values, values

report = JUnitXml.fromfile(str(files["junit.xml"]))
suite = next(iter(report))
assert (suite.tests, suite.failures, suite.errors) == (12, states[1], states[2]), (suite.tests, suite.failures, suite.errors)
assert any('name = "a, <b> & | 100%"' in case.name for case in suite), [case.name for case in suite]

for path in (files["report.md"], summary):
    tokens = MarkdownIt("commonmark").enable("table").parse(path.read_text())
    rows = sum(token.type == "tr_open" for token in tokens)
    # Two tables with a head each: one figure, and every cell that is not safe.
    assert rows == 2 + 1 + states[1] + states[2], (path, rows)
    widths = [sum(child.type == "td_open" for child in tokens[at:at + 7]) for at, token in enumerate(tokens) if token.type == "tr_open"]
    assert max(widths) <= 3

findings = json.loads(files["gitlab.json"].read_text())
assert len(findings) == states[1] + states[2] and len({finding["fingerprint"] for finding in findings}) == len(findings)
for finding in findings:
    assert {"description", "check_name", "fingerprint", "severity", "location"} == set(finding)
    assert finding["severity"] in ("info", "minor", "major", "critical", "blocker")
    assert finding["location"]["path"] and finding["location"]["lines"]["begin"] == 1

# As actions/runner reads a workflow command: properties up to `::`, then the message, then the escapes.
commands = [line for line in done.stdout.splitlines() if line.startswith("::")]
assert 0 < len(commands) <= 10
for command in commands:
    match = re.fullmatch(r"::(error|warning|notice) ([a-zA-Z]+=[^:,]*(?:,[a-zA-Z]+=[^:,]*)*)::(.*)", command)
    assert match and "%" not in re.sub(r"%(25|0D|0A|3A|2C)", "", match[3]), command

# Findings about the article's manifests, with a change that stands in two places, and a file name that needs escapes.
manifests = folder / "a, b%"
manifests.mkdir(exist_ok=True)
for file in Path("scenarios/article/manifests").glob("*.yaml"):
    (manifests / file.name).write_text(file.read_text())
names = ("check.sarif", "check.xml", "check.md", "check-gitlab.json")
sarif, junit, markdown, gitlab = (folder / name for name in names)
done = subprocess.run(
    [sim, "check", manifests, "--sarif", sarif, "--junit", junit, "--markdown", markdown, "--gitlab", gitlab, "--format", "json"],
    capture_output=True, text=True, env={**os.environ, "GITHUB_ACTIONS": "true"})
assert done.returncode == 1, (done.returncode, done.stderr)
checked = json.loads(done.stdout)
# Where stdout is for people, the annotations come by themselves.
github = {**os.environ, "GITHUB_ACTIONS": "true"}
lines = subprocess.run([sim, "check", manifests, "-q"], capture_output=True, text=True, env=github).stdout.splitlines()
found = [finding for deployment in checked["deployments"] for finding in deployment["findings"]]
levels = [finding["level"] for finding in found]
assert levels.count("warning") >= 2, levels

read = sarif_loader.load_sarif_file(str(sarif))
assert read.get_result_count() == len(found), (read.get_result_count(), len(found))
assert read.get_report().get_issue_count_for_severity("warning") == levels.count("warning")
for record, finding in zip(read.get_records(), found):
    assert finding["code"] in record["Code"] and record["Line"] == finding["position"]["line"], (record, finding)
    assert unquote(record["Location"]).endswith(finding["position"]["file"]), record
# The fixes of SARIF, applied as its specification says, are the change that --fix makes.
code = "ALB020"
[result] = [result for result in json.loads(sarif.read_text())["runs"][0]["results"] if result["ruleId"] == code]
[change] = result["fixes"][0]["artifactChanges"]
path = Path(unquote(change["artifactLocation"]["uri"]))
text = path.read_text().splitlines(keepends=True)
[replacement] = change["replacements"]
region = replacement["deletedRegion"]
line = text[region["startLine"] - 1]
text[region["startLine"] - 1] = line[:region["startColumn"] - 1] + replacement["insertedContent"]["text"] + line[region["endColumn"] - 1:]
subprocess.run([sim, "check", manifests, "--fix", "-q", "--exit-zero"], check=True, capture_output=True)
assert path.read_text() == "".join(text)

suite = next(iter(JUnitXml.fromfile(str(junit))))
assert suite.tests == len(found) + 1 and suite.failures == levels.count("warning"), (suite.tests, suite.failures)
tokens = MarkdownIt("commonmark").enable("table").parse(markdown.read_text())
assert sum(token.type == "tr_open" for token in tokens) == 2 + 1 + len(found)
assert len({finding["fingerprint"] for finding in json.loads(gitlab.read_text())}) == len(found)
commands = [line for line in lines if line.startswith("::")]
assert len(commands) == len(found), commands
for command in commands:
    match = re.fullmatch(r"::(error|warning|notice) ([a-zA-Z]+=[^:,]*(?:,[a-zA-Z]+=[^:,]*)*)::(.*)", command)
    assert match and "%" not in re.sub(r"%(25|0D|0A|3A|2C)", "", match[2] + match[3]), command

engines = Path("scenarios/sweeps/engines")
tools = Path(sys.executable).parent
subprocess.run([tools / "kubernetes-validate", "--strict", engines / "indexed-job.yaml"], check=True)
examples = Path("scenarios/ci")
for schema, file in (("github-workflows", engines / "github-workflow.yml"), ("github-actions", engines / "action.yml"),
                     ("github-workflows", examples / "pull-request.yml"), ("github-actions", examples / "action.yml")):
    subprocess.run([tools / "check-jsonschema", "--builtin-schema", f"vendor.{schema}", file], check=True)
[hook] = yaml.safe_load(Path(".pre-commit-hooks.yaml").read_text())
assert hook["entry"].split()[0] == "sim" and {"id", "name", "language"} <= set(hook)
workflow = Workflow.from_file(engines / "argo-workflow.yaml").build()
assert [template.name for template in workflow.spec.templates] == ["sweep", "shard", "merge"]
print("other readers agree")
