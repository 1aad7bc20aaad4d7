//! `Sdk::from_env`. Each test runs it in a child process with a separate environment.

use std::process::Stdio;

use domain_events::Sdk;
use tokio::process::Command;

use crate::publisher::order;
use crate::scripted_endpoint::{Act, Endpoint};

const CANARY: &str = "canary-27b1";

/// Emits one event with the settings of the environment, and prints the outcome.
#[tokio::test]
#[ignore = "needs an environment; the tests below run it in a separate process"]
async fn emitting_child() {
    let sdk = match Sdk::from_env().await {
        Ok(sdk) => sdk,
        Err(error) => return println!("build: {error}\n{error:?}"),
    };
    let mut event = order("a");
    event.note = CANARY.to_owned();
    match sdk.emit(event).await {
        Ok(_) => println!("emitted"),
        Err(error) => println!("emit: {error}\n{error:?}"),
    }
}

/// Runs the child with these variables and no others of the AWS SDK. Returns its output.
async fn emit_with(variables: &[(&str, &str)]) -> String {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args([
            "publisher_env::emitting_child",
            "--exact",
            "--ignored",
            "--nocapture",
        ])
        .env_clear()
        .envs([
            ("EVENT_EMITTER_ID", "shop"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_CONFIG_FILE", "/dev/null"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ])
        .envs(variables.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let output = child.output().await.unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    assert!(!text.contains(CANARY), "{text}");
    text
}

const KEYS: [(&str, &str); 2] = [
    ("AWS_ACCESS_KEY_ID", "key"),
    ("AWS_SECRET_ACCESS_KEY", "secret"),
];

#[tokio::test]
async fn queue_url_of_an_emulator_is_its_endpoint() {
    let endpoint = Endpoint::good().await;
    let url = format!("{}/000000000000/orders", endpoint.url());
    let mut variables = vec![
        ("EVENT_QUEUE_URL", url.as_str()),
        ("AWS_REGION", "eu-west-1"),
    ];
    variables.extend(KEYS);
    let text = emit_with(&variables).await;
    assert!(text.contains("emitted"), "{text}");
    assert_eq!(endpoint.requests(), [1]);
}

#[tokio::test]
async fn region_of_the_queue_url_takes_precedence() {
    let endpoint = Endpoint::good().await;
    for host in [
        "sqs.eu-central-1.amazonaws.com",
        "vpce-0a1b.sqs.eu-central-1.vpce.amazonaws.com",
        "sqs.eu-central-1.api.aws",
    ] {
        let url = format!("https://{host}/123456789012/orders");
        let mut variables = vec![
            ("EVENT_QUEUE_URL", url.as_str()),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL", endpoint.url()),
        ];
        variables.extend(KEYS);
        let text = emit_with(&variables).await;
        assert!(text.contains("emitted"), "{text}");
        let heads = endpoint.heads();
        let signed = heads.last().unwrap();
        assert!(
            signed.contains("/eu-central-1/sqs/aws4_request"),
            "{signed}"
        );
    }
}

#[tokio::test]
async fn endpoint_without_a_scheme_fails_at_build() {
    for variable in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SQS"] {
        let mut variables = vec![
            (
                "EVENT_QUEUE_URL",
                "https://sqs.eu-west-1.amazonaws.com/123456789012/orders",
            ),
            (variable, "127.0.0.1:9324"),
        ];
        variables.extend(KEYS);
        let text = emit_with(&variables).await;
        assert!(
            text.contains("build: the publisher cannot be built:\n  - "),
            "{text}"
        );
        assert!(
            text.contains("AWS_ENDPOINT_URL_SQS") && text.contains("127.0.0.1:9324"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn missing_credentials_fail_at_build() {
    let url = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders";
    let text = emit_with(&[("EVENT_QUEUE_URL", url)]).await;
    assert!(text.contains("no AWS credentials were found"), "{text}");
}

#[tokio::test]
async fn missing_region_fails_at_build() {
    let url = "http://localhost:9/000000000000/orders";
    let mut variables = vec![("EVENT_QUEUE_URL", url)];
    variables.extend(KEYS);
    let text = emit_with(&variables).await;
    assert!(text.contains("set AWS_REGION"), "{text}");
}

#[tokio::test]
async fn queue_url_with_a_line_break_fails_at_build() {
    let url = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders.fifo\n";
    let text = emit_with(&[("EVENT_QUEUE_URL", url)]).await;
    assert!(
        text.contains(
            r#"EVENT_QUEUE_URL is "https://sqs.eu-west-1.amazonaws.com/123456789012/orders.fifo\n""#
        ),
        "{text}"
    );
}

#[tokio::test]
async fn expired_credentials_are_named_as_the_cause() {
    let endpoint = Endpoint::start(|_, _| Act::Error(403, "ExpiredTokenException")).await;
    let url = format!("{}/000000000000/orders", endpoint.url());
    let mut variables = vec![
        ("EVENT_QUEUE_URL", url.as_str()),
        ("AWS_REGION", "eu-west-1"),
    ];
    variables.extend(KEYS);
    let text = emit_with(&variables).await;
    let expected = format!(
        "emit: the event was not sent: SendMessageBatch to queue orders ({}) failed: ExpiredToken",
        endpoint.url()
    );
    assert!(text.contains(&expected), "{text}");
    assert_eq!(endpoint.requests(), [1], "it is not retried");
}

/// AWS profiles are used on the machines of developers.
#[cfg(feature = "profiles")]
#[tokio::test]
async fn profile_with_a_credential_process_works() {
    let endpoint = Endpoint::good().await;
    let config = std::env::temp_dir().join(format!("aws-config-{}", std::process::id()));
    let process = r#"echo '{"Version":1,"AccessKeyId":"from-process","SecretAccessKey":"secret"}'"#;
    std::fs::write(
        &config,
        format!("[default]\nregion = eu-west-1\ncredential_process = {process}\n"),
    )
    .unwrap();
    let url = format!("{}/000000000000/orders", endpoint.url());
    let text = emit_with(&[
        ("EVENT_QUEUE_URL", &url),
        ("AWS_CONFIG_FILE", config.to_str().unwrap()),
        ("PATH", &std::env::var("PATH").unwrap()),
    ])
    .await;
    std::fs::remove_file(&config).unwrap();
    assert!(text.contains("emitted"), "{text}");
    let heads = endpoint.heads();
    assert!(
        heads[0].contains("credential=from-process/"),
        "{}",
        heads[0]
    );
}
