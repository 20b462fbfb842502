#!/usr/bin/env bash
# Ends with 0 if the server on this machine's port $PORT answers GET /health with 200. Needs bash and nothing else.
set -euo pipefail

exec 3<>"/dev/tcp/127.0.0.1/${PORT:-80}"
printf 'GET /health HTTP/1.0\r\n\r\n' >&3
read -r -t 4 _ status _ <&3
[ "$status" = 200 ]
