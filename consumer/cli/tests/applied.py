"""The command against a deployment that Terraform has applied to an AWS-like endpoint.

    applied.py OUTPUTS STAGING_OUTPUTS PRINCIPALS

OUTPUTS and STAGING_OUTPUTS are the outputs of two deployments (`terraform output -json`).
PRINCIPALS contains the credentials of the user `operator`, who has the operator's policy of
the first deployment. The functions of both deployments must run.

Runs three_questions.py with the credentials of the environment, and `doctor` with those of
the operator: the deployment has no error, and the policy permits every check.
"""

import json
import os
import subprocess
import sys

import three_questions


def outputs(path):
    with open(path, encoding="utf-8") as file:
        return {name: output["value"] for name, output in json.load(file).items()}


def main(deployment, staging, principals):
    deployment, staging = outputs(deployment), outputs(staging)
    for name in ("EVENT_QUEUE_URL", "DEAD_LETTER_QUEUE_URL", "EVENT_TABLE"):
        os.environ[name] = deployment[name]
    os.environ["STAGING_QUEUE_URL"] = staging["EVENT_QUEUE_URL"]
    os.environ["STAGING_TABLE"] = staging["EVENT_TABLE"]
    three_questions.main()

    with open(principals, encoding="utf-8") as file:
        operator = json.load(file)["operator"]
    environment = os.environ | {"AWS_ACCESS_KEY_ID": operator["key"], "AWS_SECRET_ACCESS_KEY": operator["secret"]}
    if deployment["EVENT_INDEX_SHARDS"]:
        environment["EVENT_INDEX_SHARDS"] = str(deployment["EVENT_INDEX_SHARDS"])
    command = [three_questions.COMMAND, "doctor", "--json", "--function", deployment["function_name"]]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, timeout=120)
    findings = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(findings) > 20, done
    unexpected = [
        finding for finding in findings
        if finding["severity"] == "error"
        # An operator may not insert into the table.
        or finding["severity"] == "unknown" and finding["found"] != "these credentials may not insert into it"
    ]
    assert not unexpected, unexpected
    print(f"  ok    doctor has {len(findings)} findings and no error, with the operator's policy")


if __name__ == "__main__":
    main(*sys.argv[1:])
