# The shell of every step: what a program inherits from the runner, the image and the workflow.
# - Of the names that runners set, those listed here. So no token, whatever the forge calls it: a step that needs one
#   has it in its `env`.
# - Of uv's settings, those listed here: where packages, Pythons and certificates come from, its caches and limits.
# - Nothing that leads Python or git to other files, or git to show a login.
# - All the rest, certificates and proxies among it.
runner="ACTIONS|ACTOR|API_URL|ARCH|BASE_REF|ENV|EVENT_NAME|EVENT_PATH|HEAD_REF|JOB|OS|OUTPUT|PATH|REF|REF_NAME"
runner+="|REF_TYPE|REPOSITORY|REPOSITORY_OWNER|RUN_ID|RUN_NUMBER|SERVER_URL|SHA|STEP_SUMMARY|TEMP|TOOL_CACHE|URL"
runner+="|WORKFLOW|WORKSPACE"
uv="(DEFAULT_)?INDEX.*|EXTRA_INDEX_URL|FIND_LINKS|INSECURE_HOST|KEYRING_PROVIDER|SYSTEM_CERTS|NATIVE_TLS|HTTP_.*"
uv+="|(MANAGED_)?PYTHON.*|CONCURRENT_.*|OFFLINE|NO_CONFIG|NO_CACHE|CACHE_DIR|LINK_MODE|VERSION|INSTALLER_.*"
for name in $(compgen -e); do
  case $name in
    ACTIONS_* | FORGEJO_* | GITEA_* | GITHUB_* | RUNNER_*) [[ ${name#*_} =~ ^($runner)$ ]] || unset "$name" ;;
    UV_*) [[ ${name#*_} =~ ^($uv)$ ]] || unset "$name" ;;
    VIRTUAL_ENV | PYTHONHOME | PYTHONPATH | PYTHONSTARTUP | PYTHONWARNINGS) unset "$name" ;;
    GIT_DIR | GIT_WORK_TREE | GIT_INDEX_FILE | GIT_OBJECT_DIRECTORY | GIT_NAMESPACE | GIT_TRACE_REDACT) unset "$name" ;;
  esac
done
exec bash --noprofile --norc -eo pipefail "$1"
