#!/usr/bin/env bash
# Write a note, and list all notes, as a client that signs its own tokens. See ../README.md for the variables.
set -euo pipefail

base64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }

# JWS requires the two numbers of an ECDSA signature side by side, 32 bytes each (RFC 7518 section 3.4); openssl gives DER.
der_to_jws() {
    local numbers
    numbers=$(openssl asn1parse -inform DER | awk -F: '/INTEGER/ { printf "%64s", $NF }' | tr ' ' 0)
    printf "$(sed 's/../\\x&/g' <<<"$numbers")"
}

sign() {
    case $ALGORITHM in
        # The secret is an argument, so it is visible in the list of processes while openssl runs. If others use the
        # machine too, choose a key pair.
        HS256) openssl dgst -sha256 -mac HMAC -macopt key:"$(cat "$KEY_FILE")" -binary ;;
        RS256) openssl dgst -sha256 -sign "$KEY_FILE" -binary ;;
        ES256) openssl dgst -sha256 -sign "$KEY_FILE" -binary | der_to_jws ;;
        *) echo "Unsupported algorithm: $ALGORITHM" >&2 && return 1 ;;
    esac
}

token() {
    local now header claims unsigned
    now=$(date +%s)
    header='{"alg":"'$ALGORITHM'","kid":"'$KID'","typ":"client-authentication+jwt"}'
    claims='{"iss":"'$CLIENT_ID'","sub":"'$CLIENT_ID'","aud":"'$AUDIENCE'","jti":"'$(openssl rand -hex 16)'"'
    claims+=',"iat":'$now',"exp":'$((now + 60))'}'
    unsigned=$(printf %s "$header" | base64url).$(printf %s "$claims" | base64url)
    printf '%s.%s' "$unsigned" "$(printf %s "$unsigned" | sign | base64url)"
}

# The header goes through a pipe, because others can see arguments. There is no --location: a token must not follow a redirect.
call() {
    printf 'Authorization: Bearer %s' "$(token)" \
        | curl --silent --show-error --fail-with-body --header @- --header 'Content-Type: application/json' "$@" "$API/api/client/notes/"
}

call --data '{"text": "Written by a shell"}'
echo
call
