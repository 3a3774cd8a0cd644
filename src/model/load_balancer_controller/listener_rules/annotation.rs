//! The JSON of the annotations `actions.<name>` and `conditions.<name>`.
//!
//! Follows `pkg/ingress/config_types.go` of aws-load-balancer-controller v3.5: the same checks in the same order. As
//! Go's `encoding/json` reads it: names without regard to case (Rollouts writes `ForwardConfig`, the documentation
//! `forwardConfig`), unknown fields passed over, null as nothing.

use crate::model::load_balancer::listener_rule::Condition;
use crate::units::Duration;
use serde_json::{Map, Value};

/// The prefix of its annotations.
pub const PREFIX: &str = "alb.ingress.kubernetes.io/";

/// What an annotation asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    Forward(ForwardConfig),
    FixedResponse(u16),
    Redirect(Redirect),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardConfig {
    pub target_groups: Vec<Tuple>,
    pub stickiness: Option<Duration>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tuple {
    pub target: Target,
    pub weight: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Service(String),
    /// By its ARN, or its name.
    TargetGroup(String),
}

/// The parts of the URL that are given; the others stay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redirect {
    pub host: Option<String>,
    pub path: Option<String>,
    pub port: Option<String>,
    pub protocol: Option<String>,
    pub query: Option<String>,
}

/// Source: `Action.validate`.
pub fn action(text: &str) -> Result<Wanted, String> {
    let value = parse(text)?;
    let object = Object::of("the action", &value)?;
    match object.text("type")?.unwrap_or_default() {
        "forward" => forward(&object).map(Wanted::Forward),
        "fixed-response" => {
            let config = object.object("fixedResponseConfig")?.ok_or("missing FixedResponseConfig")?;
            let status = status(&config).map_err(|reason| format!("invalid FixedResponseConfig: {reason}"))?;
            let number = status.parse().map_err(|_| format!("statusCode `{status}` is no status of HTTP"))?;
            Ok(Wanted::FixedResponse(number))
        }
        "redirect" => {
            let config = object.object("redirectConfig")?.ok_or("missing RedirectConfig")?;
            redirect(&config).map(Wanted::Redirect).map_err(|reason| format!("invalid RedirectConfig: {reason}"))
        }
        other => Err(format!("unknown action type: {other}")),
    }
}

fn forward(action: &Object<'_>) -> Result<ForwardConfig, String> {
    let outside = action.text("targetGroupARN")?.or(action.text("targetGroupName")?);
    match (outside, action.object("forwardConfig")?) {
        (None, None) => Err("missing ForwardConfig or TargetGroupARN/TargetGroupName".to_owned()),
        (Some(_), Some(_)) => Err("either ForwardConfig or TargetGroupARN/TargetGroupName can be specified".to_owned()),
        (Some(name), None) => {
            let tuple = Tuple { target: Target::TargetGroup(name.to_owned()), weight: None };
            Ok(ForwardConfig { target_groups: vec![tuple], stickiness: None })
        }
        (None, Some(config)) => forward_config(&config).map_err(|reason| format!("invalid ForwardConfig: {reason}")),
    }
}

fn forward_config(config: &Object<'_>) -> Result<ForwardConfig, String> {
    let tuple = |item: &Object<'_>| tuple(item).map_err(|reason| format!("invalid TargetGroupTuple: {reason}"));
    let target_groups: Vec<_> = config.objects("targetGroups")?.iter().map(tuple).collect::<Result<_, _>>()?;
    if target_groups.len() > 1 && target_groups.iter().any(|tuple| tuple.weight.is_none()) {
        return Err("weight must be set when route to multiple target groups".to_owned());
    }
    let stickiness = match config.object("targetGroupStickinessConfig")? {
        None => None,
        Some(config) => {
            let seconds = config.integer("durationSeconds")?;
            let is_enabled = config.boolean("enabled")?.unwrap_or(false);
            seconds.filter(|_| is_enabled).and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::secs)
        }
    };
    Ok(ForwardConfig { target_groups, stickiness })
}

fn tuple(tuple: &Object<'_>) -> Result<Tuple, String> {
    let outside = tuple.text("targetGroupARN")?.or(tuple.text("targetGroupName")?);
    let target = match (outside, tuple.text("serviceName")?) {
        (None, None) => return Err("missing serviceName or targetGroupARN/targetGroupName".to_owned()),
        (Some(_), Some(_)) => {
            return Err("either serviceName or targetGroupARN/targetGroupName can be specified".to_owned());
        }
        (Some(name), None) => Target::TargetGroup(name.to_owned()),
        (None, Some(service)) => {
            tuple.port("servicePort")?.ok_or("missing servicePort")?;
            Target::Service(service.to_owned())
        }
    };
    Ok(Tuple { target, weight: tuple.integer("weight")? })
}

fn status<'a>(config: &Object<'a>) -> Result<&'a str, String> {
    let status = config.text("statusCode")?.filter(|status| !status.is_empty());
    status.ok_or_else(|| "statusCode is required".to_owned())
}

fn redirect(config: &Object<'_>) -> Result<Redirect, String> {
    let status = status(config)?;
    if !["HTTP_301", "HTTP_302"].contains(&status) {
        return Err(format!("statusCode `{status}` is neither HTTP_301 nor HTTP_302"));
    }
    let text = |name| Ok::<_, String>(config.text(name)?.map(str::to_owned));
    Ok(Redirect {
        host: text("host")?,
        path: text("path")?,
        port: text("port")?,
        protocol: text("protocol")?,
        query: text("query")?,
    })
}

/// Source: `RuleCondition.Validate`. A field that it does not know makes no condition.
pub fn conditions(text: &str) -> Result<Vec<Condition>, String> {
    let value = parse(text)?;
    if value.is_null() {
        return Ok(vec![]);
    }
    let items = value.as_array();
    let items = items.ok_or_else(|| format!("the conditions are {}, they must be a list", kind(&value)))?;
    let conditions = items.iter().map(|item| condition(&Object::of("a condition", item)?));
    Ok(conditions.collect::<Result<Vec<_>, String>>()?.into_iter().flatten().collect())
}

fn condition(item: &Object<'_>) -> Result<Option<Condition>, String> {
    let field = item.text("field")?.unwrap_or_default();
    let config = |name: &str| item.object(name)?.ok_or_else(|| format!("missing {name}"));
    let condition = match field {
        "host-header" => Condition::HostHeader(values(&config("hostHeaderConfig")?, "hostHeaderConfig")?),
        "path-pattern" => Condition::PathPattern(values(&config("pathPatternConfig")?, "pathPatternConfig")?),
        "http-header" => {
            let config = config("httpHeaderConfig")?;
            let name = config.text("httpHeaderName")?.unwrap_or_default().to_owned();
            Condition::HttpHeader { name, values: values(&config, "httpHeaderConfig")? }
        }
        "http-request-method" => {
            let config = config("httpRequestMethodConfig")?;
            Condition::HttpRequestMethod(values(&config, "httpRequestMethodConfig")?)
        }
        "query-string" => query_string(&config("queryStringConfig")?)
            .map_err(|reason| format!("invalid queryStringConfig: {reason}"))?,
        "source-ip" => Condition::SourceIp(values(&config("sourceIPConfig")?, "sourceIPConfig")?),
        _ => return Ok(None),
    };
    Ok(Some(condition))
}

fn values(config: &Object<'_>, name: &str) -> Result<Vec<String>, String> {
    if !config.texts("regexValues")?.is_empty() {
        return Err(format!("the regexValues of {name} are not simulated: write values with * and ?"));
    }
    let values = config.texts("values")?;
    if values.is_empty() {
        return Err(format!("invalid {name}: values cannot be empty"));
    }
    Ok(values)
}

fn query_string(config: &Object<'_>) -> Result<Condition, String> {
    let pair = |item: &Object<'_>| {
        let value = item.text("value")?.filter(|value| !value.is_empty()).ok_or("value cannot be empty")?;
        Ok((item.text("key")?.map(str::to_owned), value.to_owned()))
    };
    let pairs: Vec<_> = config.objects("values")?.iter().map(pair).collect::<Result<_, String>>()?;
    if pairs.is_empty() { Err("values cannot be empty".to_owned()) } else { Ok(Condition::QueryString(pairs)) }
}

/// `[{"HTTP": 80}, {"HTTPS": 443}]`: each protocol with its port.
pub fn listen_ports(text: &str) -> Result<Vec<(String, u16)>, String> {
    let value = parse(text)?;
    let items = value.as_array().ok_or_else(|| format!("the ports are {}, they must be a list", kind(&value)))?;
    let entry = |(protocol, port): (&String, &Value)| {
        let number = port.as_u64().and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0);
        let number = number.ok_or_else(|| format!("listen port must be within [1, 65535]: {port}"))?;
        if !["HTTP", "HTTPS"].contains(&protocol.as_str()) {
            return Err(format!("listen protocol must be HTTP or HTTPS: {protocol}"));
        }
        Ok((protocol.clone(), number))
    };
    let mut ports = vec![];
    for item in items {
        let object = Object::of("a listener", item)?;
        ports.extend(object.0.iter().map(entry).collect::<Result<Vec<_>, _>>()?);
    }
    if ports.is_empty() { Err("empty listen-ports".to_owned()) } else { Ok(ports) }
}

fn parse(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("this is no JSON: {error}"))
}

#[derive(Clone, Copy)]
struct Object<'a>(&'a Map<String, Value>);

impl<'a> Object<'a> {
    fn of(name: &str, value: &'a Value) -> Result<Self, String> {
        value.as_object().map(Self).ok_or_else(|| format!("{name} is {}, it must be an object", kind(value)))
    }

    fn get(self, name: &str) -> Option<&'a Value> {
        let named = self.0.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value).next_back().filter(|value| !value.is_null())
    }

    /// The value, if it is there, as `read` takes it.
    fn read<T>(self, name: &str, wanted: &str, read: impl FnOnce(&'a Value) -> Option<T>) -> Result<Option<T>, String> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let refuse = || format!("`{name}` is {}, it must be {wanted}", kind(value));
        read(value).map(Some).ok_or_else(refuse)
    }

    fn text(self, name: &str) -> Result<Option<&'a str>, String> {
        self.read(name, "a string", Value::as_str)
    }

    fn integer(self, name: &str) -> Result<Option<i64>, String> {
        self.read(name, "a whole number", Value::as_i64)
    }

    fn boolean(self, name: &str) -> Result<Option<bool>, String> {
        self.read(name, "true or false", Value::as_bool)
    }

    /// A number, a number as a string, or a name.
    fn port(self, name: &str) -> Result<Option<()>, String> {
        self.read(name, "a number or a name", |value| (value.is_i64() || value.is_string()).then_some(()))
    }

    fn object(self, name: &str) -> Result<Option<Self>, String> {
        self.read(name, "an object", |value| value.as_object().map(Self))
    }

    fn objects(self, name: &str) -> Result<Vec<Self>, String> {
        let items = self.read(name, "a list", Value::as_array)?;
        items.into_iter().flatten().map(|item| Self::of(&format!("an item of `{name}`"), item)).collect()
    }

    fn texts(self, name: &str) -> Result<Vec<String>, String> {
        let items = self.read(name, "a list", Value::as_array)?;
        let text = |item: &Value| {
            let text = item.as_str().map(str::to_owned);
            text.ok_or_else(|| format!("an item of `{name}` is {}, it must be a string", kind(item)))
        };
        items.into_iter().flatten().map(text).collect()
    }
}

/// With its article, for messages.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(name: &str, weight: Option<i64>) -> Tuple {
        Tuple { target: Target::Service(name.to_owned()), weight }
    }

    #[test]
    fn both_spellings_mean_the_same() {
        let rollouts = r#"{"Type":"forward","ForwardConfig":{"TargetGroups":[
            {"ServiceName":"canary","ServicePort":"80","Weight":20},
            {"ServiceName":"stable","ServicePort":"80","Weight":80}],
            "TargetGroupStickinessConfig":{"Enabled":true,"DurationSeconds":60}}}"#;
        let documented = r#"{"type":"forward","forwardConfig":{"targetGroups":[
            {"serviceName":"canary","servicePort":80,"weight":20},
            {"serviceName":"stable","servicePort":"http","weight":80,"unknown":[]}],
            "targetGroupStickinessConfig":{"enabled":true,"durationSeconds":60}}}"#;
        let target_groups = vec![service("canary", Some(20)), service("stable", Some(80))];
        let expected = Wanted::Forward(ForwardConfig { target_groups, stickiness: Some(Duration::secs(60)) });
        assert_eq!(action(rollouts).as_ref(), Ok(&expected));
        assert_eq!(action(documented).as_ref(), Ok(&expected));
    }

    #[test]
    fn an_action_may_be_short() {
        let arn = Tuple { target: Target::TargetGroup("arn:aws:tg/a".to_owned()), weight: None };
        let expected = Wanted::Forward(ForwardConfig { target_groups: vec![arn], stickiness: None });
        assert_eq!(action(r#"{"type":"forward","targetGroupARN":"arn:aws:tg/a"}"#), Ok(expected));
        let status =
            r#"{"type":"fixed-response","fixedResponseConfig":{"contentType":"text/plain","statusCode":"418"}}"#;
        assert_eq!(action(status), Ok(Wanted::FixedResponse(418)));
        let redirect =
            Redirect { port: Some("443".to_owned()), protocol: Some("HTTPS".to_owned()), ..Redirect::default() };
        let text = r#"{"Type":"redirect","RedirectConfig":{"Protocol":"HTTPS","Port":"443","StatusCode":"HTTP_301","Host":null}}"#;
        assert_eq!(action(text), Ok(Wanted::Redirect(redirect)));
    }

    #[test]
    fn an_action_that_makes_no_sense_is_refused() {
        for (text, reason) in [
            ("{", "this is no JSON"),
            ("[]", "the action is a list, it must be an object"),
            ("{}", "unknown action type: "),
            (r#"{"type":"Forward"}"#, "unknown action type: Forward"),
            (r#"{"type":"forward"}"#, "missing ForwardConfig or TargetGroupARN/TargetGroupName"),
            (
                r#"{"type":"forward","targetGroupName":"a","forwardConfig":{}}"#,
                "either ForwardConfig or TargetGroupARN/TargetGroupName can be specified",
            ),
            (
                r#"{"type":"forward","forwardConfig":{"targetGroups":[{}]}}"#,
                "invalid ForwardConfig: invalid TargetGroupTuple: missing serviceName or targetGroupARN/targetGroupName",
            ),
            (
                r#"{"type":"forward","forwardConfig":{"targetGroups":[{"serviceName":"a"}]}}"#,
                "invalid ForwardConfig: invalid TargetGroupTuple: missing servicePort",
            ),
            (
                r#"{"type":"forward","forwardConfig":{"targetGroups":[{"serviceName":"a","targetGroupName":"b"}]}}"#,
                "invalid ForwardConfig: invalid TargetGroupTuple: either serviceName or",
            ),
            (
                r#"{"type":"forward","forwardConfig":{"targetGroups":[{"serviceName":"a","servicePort":80,"weight":"20"}]}}"#,
                "invalid ForwardConfig: invalid TargetGroupTuple: `weight` is a string, it must be a whole number",
            ),
            (
                r#"{"type":"forward","forwardConfig":{"targetGroups":[{"serviceName":"a","servicePort":80,"weight":1},
                    {"serviceName":"b","servicePort":80}]}}"#,
                "invalid ForwardConfig: weight must be set when route to multiple target groups",
            ),
            (r#"{"type":"fixed-response"}"#, "missing FixedResponseConfig"),
            (
                r#"{"type":"fixed-response","fixedResponseConfig":{}}"#,
                "invalid FixedResponseConfig: statusCode is required",
            ),
            (
                r#"{"type":"fixed-response","fixedResponseConfig":{"statusCode":503}}"#,
                "invalid FixedResponseConfig: `statusCode` is a number, it must be a string",
            ),
            (
                r#"{"type":"redirect","redirectConfig":{"statusCode":"301"}}"#,
                "invalid RedirectConfig: statusCode `301` is neither HTTP_301 nor HTTP_302",
            ),
        ] {
            let refusal = action(text).expect_err(text);
            assert!(refusal.starts_with(reason), "{text}: {refusal}");
        }
    }

    #[test]
    fn conditions_of_every_kind_are_read() {
        let text = r#"[
            {"field":"http-header","httpHeaderConfig":{"httpHeaderName":"X-Canary","values":["always"]}},
            {"Field":"http-request-method","HttpRequestMethodConfig":{"Values":["GET","HEAD"]}},
            {"field":"query-string","queryStringConfig":{"values":[{"key":"v","value":"2"},{"value":"x"}]}},
            {"field":"source-ip","sourceIPConfig":{"values":["10.0.0.0/8"]}},
            {"field":"host-header","hostHeaderConfig":{"values":["*.example.com"]}},
            {"field":"path-pattern","pathPatternConfig":{"values":["/a"]}},
            {"field":"of-tomorrow"}]"#;
        let texts = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>();
        let expected = vec![
            Condition::HttpHeader { name: "X-Canary".to_owned(), values: texts(&["always"]) },
            Condition::HttpRequestMethod(texts(&["GET", "HEAD"])),
            Condition::QueryString(vec![(Some("v".to_owned()), "2".to_owned()), (None, "x".to_owned())]),
            Condition::SourceIp(texts(&["10.0.0.0/8"])),
            Condition::HostHeader(texts(&["*.example.com"])),
            Condition::PathPattern(texts(&["/a"])),
        ];
        assert_eq!(conditions(text), Ok(expected));
        assert_eq!(conditions("null"), Ok(vec![]));
    }

    #[test]
    fn a_condition_that_makes_no_sense_is_refused() {
        for (text, reason) in [
            ("{}", "the conditions are an object, they must be a list"),
            (r#"[{"field":"http-header"}]"#, "missing httpHeaderConfig"),
            (
                r#"[{"field":"http-header","httpHeaderConfig":{"httpHeaderName":"a"}}]"#,
                "invalid httpHeaderConfig: values cannot be empty",
            ),
            (
                r#"[{"field":"path-pattern","pathPatternConfig":{"regexValues":["^/a"]}}]"#,
                "the regexValues of pathPatternConfig are not simulated",
            ),
            (
                r#"[{"field":"query-string","queryStringConfig":{"values":[{"key":"a"}]}}]"#,
                "invalid queryStringConfig: value cannot be empty",
            ),
            (
                r#"[{"field":"source-ip","sourceIPConfig":{"values":"10.0.0.0/8"}}]"#,
                "`values` is a string, it must be a list",
            ),
        ] {
            let refusal = conditions(text).expect_err(text);
            assert!(refusal.starts_with(reason), "{text}: {refusal}");
        }
    }

    #[test]
    fn ports_come_with_their_protocols() {
        let pair = |protocol: &str, port| (protocol.to_owned(), port);
        assert_eq!(listen_ports(r#"[{"HTTP":80},{"HTTPS":443}]"#), Ok(vec![pair("HTTP", 80), pair("HTTPS", 443)]));
        for (text, reason) in [
            ("[]", "empty listen-ports"),
            (r#"[{"HTTP":0}]"#, "listen port must be within [1, 65535]: 0"),
            (r#"[{"TCP":80}]"#, "listen protocol must be HTTP or HTTPS: TCP"),
        ] {
            assert_eq!(listen_ports(text).expect_err(text), reason);
        }
    }
}
