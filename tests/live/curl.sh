#!/bin/sh
# Stands in front of curl on the runner's PATH: uv's installer puts the developer's own uv where it is told, without
# a download. Any other call is curl's.
for argument in "$@"; do
  case $argument in
    https://astral.sh/uv/*/install.sh)
      version=${argument#https://astral.sh/uv/}
      version=${version%/install.sh}
      have=$("@UV@/uv" --version | cut -d ' ' -f 2)
      if [ "$version" != "$have" ]; then
        echo "the workflow wants uv $version, the environment of the tests has $have" >&2
        exit 22
      fi
      installer='mkdir -p "$UV_UNMANAGED_INSTALL" && ln -sf "@UV@/uv" "@UV@/uvx" "$UV_UNMANAGED_INSTALL/"'
      previous=
      for word in "$@"; do
        case $previous in -o | --output) exec >"$word" ;; esac
        previous=$word
      done
      echo "$installer"
      exit 0
      ;;
  esac
done
exec "@CURL@" "$@"
