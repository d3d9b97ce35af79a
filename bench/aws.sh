#!/usr/bin/env bash
# Measures a deployment in your AWS account, into docs/performance.md.
#
#   bench/aws.sh             deploys a stack of its own, drives 300 calls a second for ten minutes, reads the cold starts,
#                            writes the table, and deletes the stack with its table and secrets, also after a failure
#   bench/aws.sh --local     does the same with a local run in place of the stack, for 5 seconds at 50 calls a second; it
#                            writes into a copy of docs/performance.md and prints what it wrote
#
# It needs Rust, make, the AWS CLI, the SAM CLI, cargo-lambda, and credentials that may create and delete what the
# template creates. AWS_REGION says where. It costs less than two dollars. ARCHITECTURE is x86_64 or arm64, as for `make build`.
# RATE and SECONDS_DRIVEN change how much is driven. No account at the carrier is needed: nothing is searched or bought.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "${BASH_SOURCE[0]}")/.."

TARGET=${CARGO_TARGET_DIR:-target}
DOCUMENT=docs/performance.md
ARCHITECTURE=${ARCHITECTURE:-x86_64}
export ARCHITECTURE SAM_CLI_TELEMETRY=0 AWS_PAGER=""
# Which programs are used; another folder for trying the script out.
PROGRAMS=${PROGRAMS:-$TARGET/release}
# CloudWatch may take a minute until it finds what was logged.
readonly LOGS_DELAY_SECONDS=90
# The functions that the driven calls reach.
readonly DRIVEN=(numbers imports kyb credits webhooks)

work=$(mktemp -d)
# Set once there is something to delete.
stack=
local_pid=

fail() {
  echo "error: $*" >&2
  exit 1
}

# need COMMAND HINT fails where a command is missing.
need() {
  command -v "$1" >/dev/null || fail "$1 is missing: $2"
}

check_needs() {
  need cargo "install Rust"
  need make "install make"
  need aws "install the AWS CLI, https://docs.aws.amazon.com/cli/"
  need sam "pip install aws-sam-cli"
  need cargo-lambda "pip install cargo-lambda"
  [[ -n ${AWS_REGION:-} ]] || fail "AWS_REGION is not set: name the region to deploy to, such as us-east-1"
  export AWS_DEFAULT_REGION=$AWS_REGION
  aws sts get-caller-identity --query Arn --output text || fail "AWS does not accept your credentials"
}

build_programs() {
  cargo build --release --locked -p ops
  cargo build --release --locked -p bench
}

output() {
  aws cloudformation describe-stacks --stack-name "$stack" --output text \
    --query "Stacks[0].Outputs[?OutputKey=='$1'].OutputValue"
}

deploy() {
  sam build
  stack=phone-numbers-bench-$(date -u +%Y%m%d-%H%M%S)-$RANDOM
  echo "deploying $stack"
  sam deploy --stack-name "$stack" --no-confirm-changeset --parameter-overrides "Architecture=$ARCHITECTURE" \
    SipHost=sip.example.com Stage=development TableDeletionProtection=false LogRetentionDays=1 RenewalsState=DISABLED
  TABLE_NAME=$(output TableName)
  export TABLE_NAME
  url=$(output ApiUrl)
  [[ -n $TABLE_NAME && -n $url ]] || fail "the stack $stack has no TableName or no ApiUrl"
}

# The local run in place of the stack.
stand_in() {
  "$PROGRAMS/local" --listen 127.0.0.1:0 --data "$work/data" >"$work/local.log" 2>&1 &
  local_pid=$!
  for _ in {1..300}; do
    [[ ! -s $work/data/ready.json ]] || break
    kill -0 "$local_pid" 2>/dev/null || fail "the local run has ended: $(tail -1 "$work/local.log")"
    sleep 0.1
  done
  [[ -s $work/data/ready.json ]] || fail "the local run is not ready after 30 s"
  url=$(sed -n 's/.*"baseUrl": "\(.*\)".*/\1/p' "$work/data/ready.json")
  cp "$DOCUMENT" "$work/performance.md"
  DOCUMENT=$work/performance.md
}

# drive OPTION… creates organizations with their keys, by ops, and drives them.
drive() {
  "$PROGRAMS/load" --url "$url" --ops "$PROGRAMS/ops" --rate "$RATE" --seconds "$SECONDS_DRIVEN" --without-carrier \
    --report "$work/report.md" "$@"
}

# Adds to the report how many starts were cold, and how long the initialization took. Lambda's own REPORT lines say so.
read_cold_starts() {
  local begun=$1 groups=() name query status
  echo "waiting $LOGS_DELAY_SECONDS s for the logs"
  sleep "$LOGS_DELAY_SECONDS"
  for name in "${DRIVEN[@]}"; do groups+=("/aws/lambda/$stack/$name"); done
  query=$(aws logs start-query --log-group-names "${groups[@]}" --start-time "$begun" --end-time "$(date +%s)" \
    --query queryId --output text --query-string 'filter @type = "REPORT" | stats count(*) as calls, count(@initDuration) as cold,
      pct(@initDuration, 50) as p50, pct(@initDuration, 99) as p99, max(@initDuration) as longest, max(@maxMemoryUsed) / 1000000 as memory')
  for _ in {1..60}; do
    status=$(aws logs get-query-results --query-id "$query" --query status --output text)
    [[ $status == Running || $status == Scheduled ]] || break
    sleep 2
  done
  [[ $status == Complete ]] || fail "CloudWatch did not answer the query for cold starts: $status"
  aws logs get-query-results --query-id "$query" --query 'results[0][].[field,value]' --output text |
    cold_starts >>"$work/report.md"
}

# cold_starts turns lines of a field and its value into a table.
cold_starts() {
  awk '{ seen[$1] = $2 }
    END {
      print "\n| invocations | cold starts | p50 of the initialization | p99 | longest | memory at most |"
      print "|---:|---:|---:|---:|---:|---:|"
      printf "| %d | %d | %.1f ms | %.1f ms | %.1f ms | %.0f MB |\n",
        seen["calls"], seen["cold"], seen["p50"], seen["p99"], seen["longest"], seen["memory"]
    }'
}

publish() {
  printf '\n%s\n' "$1" >>"$work/report.md"
  "$PROGRAMS/load" publish aws "$work/report.md" "$DOCUMENT"
}

# kept_ids STACK_ID TYPE prints what the resources of a type are really called that a deleted stack has left, one a line.
kept_ids() {
  aws cloudformation describe-stack-resources --stack-name "$1" --output text \
    --query "StackResources[?ResourceType=='$2' && ResourceStatus=='DELETE_SKIPPED'].[PhysicalResourceId]"
}

# delete WHAT COMMAND… notes what is left where the command fails.
delete() {
  local what=$1
  shift
  "$@" >/dev/null || left+=("$what")
}

delete_stack() {
  local left=() id tables secrets one
  if ! id=$(aws cloudformation describe-stacks --stack-name "$stack" --query 'Stacks[0].StackId' --output text 2>&1); then
    [[ $id == *"does not exist"* ]] || warn_of "stack $stack, if it is there: $id"
    return
  fi
  echo "deleting $stack; Ctrl-C does not stop that"
  delete "stack $stack" sam delete --no-prompts --stack-name "$stack" --region "$AWS_REGION"
  # The template keeps the table and the secrets when the stack goes.
  tables=$(kept_ids "$id" AWS::DynamoDB::Table) || left+=("the table of stack $stack, if it is there")
  secrets=$(kept_ids "$id" AWS::SecretsManager::Secret) || left+=("the secrets of stack $stack, if they are there")
  for one in $tables; do
    delete "table $one" aws dynamodb delete-table --table-name "$one"
  done
  for one in $secrets; do
    delete "secret $one" aws secretsmanager delete-secret --secret-id "$one" --force-delete-without-recovery
  done
  ((${#left[@]} == 0)) || warn_of "${left[@]}"
}

# warn_of WHAT… names what is left in the account.
warn_of() {
  echo "!!! These could not be deleted. Delete them by hand, they cost money:" >&2
  printf '!!!   %s\n' "$@" >&2
}

finish() {
  local status=$?
  trap - EXIT
  trap '' INT TERM
  # Nothing here may keep the rest from being deleted.
  set +e
  [[ -z $local_pid ]] || kill "$local_pid"
  [[ -z $stack ]] || delete_stack
  rm -rf "$work"
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

case ${1:-} in
  --local)
    RATE=${RATE:-50} SECONDS_DRIVEN=${SECONDS_DRIVEN:-5}
    stand_in
    drive --ready "$work/data/ready.json"
    printf 'calls 250\ncold 5\np50 20.0\np99 40.0\nlongest 40.0\nmemory 30\n' | cold_starts >>"$work/report.md"
    publish "A local run stood in for AWS, and its cold starts are made up."
    sed -n '/<!-- aws: begin -->/,/<!-- aws: end -->/p' "$DOCUMENT"
    ;;
  "")
    RATE=${RATE:-300} SECONDS_DRIVEN=${SECONDS_DRIVEN:-600}
    check_needs
    build_programs
    deploy
    begun=$(date +%s)
    # An unexpected answer is in the table, too. So it is written before the run fails.
    failed=0
    drive || failed=$?
    [[ -s $work/report.md ]] || fail "nothing was driven"
    read_cold_starts "$begun"
    publish "Measured in $AWS_REGION on $ARCHITECTURE with 256 MB, $(date -u +%F)."
    exit "$failed"
    ;;
  *) fail "no option '$1': bench/aws.sh or bench/aws.sh --local" ;;
esac
