//! Every sample of the platform's API: requests are as documented, and its answers, success or error, are understood.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::cases::{ADDRESSES, BINARY, Case, cases};
use super::platform::{
    APP_ID, APP_SECRET, Call, MemoryStore, Platform, Reply, client_of, http, ok,
};
use crate::api::{ApiError, errcode};

const TOKEN: &str = "SYN_ACCESS_TOKEN";

pub fn sample(name: &str) -> Value {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/samples/api");
    let text = std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The sample of a case, with the changes of its example.
fn sample_of(case: &Case) -> Value {
    let mut sample = sample(case.sample);
    if !case.example.is_empty() {
        let examples = sample["examples"].as_array().unwrap();
        let example = examples
            .iter()
            .find(|example| example["name"] == case.example);
        let example =
            example.unwrap_or_else(|| panic!("{}: no example {}", case.sample, case.example));
        for (key, value) in example.as_object().unwrap().clone() {
            sample[key] = value;
        }
    }
    if case.sample == "user_info_batchget" {
        // `lang` is optional; it is always sent.
        for user in sample["request"]["user_list"].as_array_mut().unwrap() {
            user["lang"] = "zh_CN".into();
        }
    }
    sample
}

/// A platform that answers the sample's path with `reply`, and gives out tokens otherwise.
fn platform(sample: &Value, reply: Reply) -> Platform {
    let path = path_of(sample);
    Platform::new(move |asked| {
        if asked.path == path {
            return reply.clone();
        }
        match asked.path.as_str() {
            // The sample of `token` is only reached if this is refused.
            "/cgi-bin/stable_token" if path == "/cgi-bin/token" => {
                ok(&json!({"errcode": 48001, "errmsg": "api unauthorized"}).to_string())
            }
            "/cgi-bin/stable_token" => {
                ok(&json!({"access_token": TOKEN, "expires_in": 7200}).to_string())
            }
            other => panic!("asked {other}, not {path}"),
        }
    })
}

fn path_of(sample: &Value) -> String {
    let url = sample["url"].as_str().unwrap();
    let hosts = ["https://api.weixin.qq.com", "https://mp.weixin.qq.com"];
    let path = hosts.iter().find_map(|host| url.strip_prefix(host));
    path.unwrap().to_owned()
}

fn run(case: &Case, platform: &Platform) -> Result<String, ApiError> {
    let timeout = Duration::from_secs(10);
    let client = client_of(&platform.base_url, Arc::<MemoryStore>::default(), timeout);
    (case.make)(&client)
}

fn reply_of(sample: &Value) -> Reply {
    if let Some(headers) = sample["response_headers"].as_object() {
        let headers: String = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}\r\n", value.as_str().unwrap()))
            .collect();
        return http("200 OK", &headers, BINARY);
    }
    if sample["response"].is_null() {
        // The notes say that the answer is a file.
        return http(
            "200 OK",
            "Content-Type: application/octet-stream\r\n",
            BINARY,
        );
    }
    ok(&sample["response"].to_string())
}

#[test]
fn we_send_what_the_platform_documents_and_understand_its_answer() {
    for case in cases() {
        let (name, sample) = (
            format!("{}/{}", case.sample, case.example),
            sample_of(&case),
        );
        let platform = platform(&sample, reply_of(&sample));
        let answer = run(&case, &platform).unwrap_or_else(|error| panic!("{name}: {error}"));
        for part in case.understood {
            assert!(answer.contains(part), "{name}: {part} is not in {answer}");
        }
        let path = path_of(&sample);
        let asked: Vec<Call> = platform
            .calls()
            .into_iter()
            .filter(|asked| asked.path == path)
            .collect();
        assert_eq!(asked.len(), 1, "{name}");
        same_request(&name, &asked[0], &sample);
    }
}

fn same_request(name: &str, asked: &Call, sample: &Value) {
    assert_eq!(asked.method, sample["method"], "{name}");
    let query: Value = asked
        .query
        .iter()
        .map(|(k, v)| (k.clone(), json!(v)))
        .collect();
    // An empty parameter is not sent.
    let documented = sample["query"].as_object().expect("an object").clone();
    let documented = documented.into_iter().filter(|(_, value)| value != "");
    assert_eq!(query, Value::Object(documented.collect()), "{name}");
    let Some(request) = sample.get("request") else {
        assert!(asked.body.is_empty(), "{name}");
        return;
    };
    let content_type = asked.headers["content-type"].as_str();
    match request.get("form") {
        None => {
            assert_eq!(content_type, sample["content_type"], "{name}");
            assert_eq!(asked.json(), *request, "{name}");
            assert!(!asked.body.contains("\\u"), "{name}: {}", asked.body);
        }
        Some(form) => {
            let media = &form["media"];
            let boundary = content_type
                .strip_prefix("multipart/form-data; boundary=")
                .unwrap();
            let description = match form["description"].as_str() {
                None => String::new(),
                Some(text) => format!(
                    "--{boundary}\r\nContent-Disposition: form-data; name=\"description\"\r\n\r\n{text}\r\n"
                ),
            };
            let expected = format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"media\"; filename=\"{}\"\r\n\
                 Content-Type: {}\r\n\r\n{}\r\n{description}--{boundary}--\r\n",
                media["filename"].as_str().unwrap(),
                media["content_type"].as_str().unwrap_or("video/mp4"),
                media["bytes"].as_str().unwrap_or("..."),
            );
            assert_eq!(asked.body, expected, "{name}");
        }
    }
}

#[test]
fn documented_errors_are_understood() {
    let mut seen = BTreeSet::new();
    for case in cases().into_iter().filter(|case| seen.insert(case.sample)) {
        let sample = sample_of(&case);
        for error in sample["errors"].as_array().into_iter().flatten() {
            let (name, answer) = (
                format!("{}: {}", case.sample, error["when"]),
                &error["response"],
            );
            let errcode = answer["errcode"].as_i64().unwrap();
            let result = run(&case, &platform(&sample, ok(&answer.to_string())));
            let error = match (case.sample, errcode, result) {
                ("menu_get", 46003, Ok(answer)) => {
                    assert_eq!(answer, "None");
                    continue;
                }
                ("mass_sendall" | "mass_send", 45065, Ok(answer)) => {
                    assert!(answer.contains("repeated: true"), "{answer}");
                    continue;
                }
                (_, _, Ok(answer)) => panic!("{name}: {answer}"),
                (_, _, Err(error)) => error,
            };
            let ApiError::Platform {
                errcode: found,
                errmsg,
                rid,
                ..
            } = &error
            else {
                panic!("{name}: {error}")
            };
            assert_eq!(*found, errcode, "{name}");
            let told = answer["errmsg"].as_str().unwrap();
            let rid = rid.as_deref().unwrap();
            assert_eq!(format!("{errmsg} rid: {rid}"), told, "{name}");
            let text = error.to_string();
            assert!(text.contains(rid) && text.contains(errmsg), "{text}");
        }
    }
}

#[test]
fn every_documented_error_code_is_in_the_table() {
    for name in all_samples() {
        for error in sample(&name)["errors"].as_array().into_iter().flatten() {
            let errcode = error["response"]["errcode"].as_i64().unwrap();
            assert!(errcode::find(errcode).is_some(), "{name}: {errcode}");
        }
    }
}

#[test]
fn every_sample_is_exercised() {
    let made: BTreeSet<String> = cases().iter().map(|case| case.sample.to_owned()).collect();
    let built = ADDRESSES.iter().map(|&name| name.to_owned());
    let exercised: BTreeSet<String> = made.iter().cloned().chain(built).collect();
    assert_eq!(exercised, all_samples());
    for name in made {
        let exercised: BTreeSet<&str> = cases()
            .iter()
            .filter(|case| case.sample == name)
            .map(|case| case.example)
            .collect();
        for example in sample(&name)["examples"].as_array().into_iter().flatten() {
            let example = example["name"].as_str().unwrap();
            assert!(exercised.contains(example), "{name}: example {example}");
        }
    }
}

fn all_samples() -> BTreeSet<String> {
    let index = sample("_index");
    let names = index["apis"].as_array().unwrap().iter();
    names
        .map(|api| api["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn errors_of_all_shapes_are_distinguished_from_success() {
    let shapes = sample("_error_shapes");
    for (name, shape) in shapes.as_object().unwrap() {
        let platform = Platform::scripted(vec![ok(&shape.to_string())]);
        let result = platform.client().menu_delete();
        assert_eq!(
            result.is_ok(),
            name.starts_with("success"),
            "{name}: {result:?}"
        );
        if let Err(error) = result {
            let text = error.to_string();
            assert!(!text.contains("hint:"), "{text}");
        }
    }
}

#[test]
fn the_samples_use_the_settings_of_these_tests() {
    let request = &sample("stable_token")["request"];
    assert_eq!(
        (request["appid"].as_str(), request["secret"].as_str()),
        (Some(APP_ID), Some(APP_SECRET))
    );
}
