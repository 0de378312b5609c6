"""nginx, twice: as the proxy that does nothing but pass on, and as everything that stands behind the proxies."""

import datetime
import os
from pathlib import Path

from . import SESSION, Shape
from .palisade import ROLE

COMMON = """\
{user}worker_processes 1;
daemon off;
pid {home}/pid;
error_log {home}/error.log warn;
worker_rlimit_nofile 16384;
events {{ worker_connections 8192; multi_accept on; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    client_max_body_size 0;
    large_client_header_buffers 8 32k;
    default_type application/octet-stream;
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    ssl_certificate {work}/tls.crt;
    ssl_certificate_key {work}/tls.key;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache shared:sessions:4m;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    {inside}
}}
"""

PASS = """\
proxy_set_header Host $http_host;
    proxy_request_buffering off;
    proxy_max_temp_file_size 0;
    proxy_ssl_name localhost;
    proxy_ssl_server_name on;
    proxy_ssl_verify on;
    proxy_ssl_trusted_certificate {work}/ca.crt;
    proxy_ssl_protocols TLSv1.2 TLSv1.3;
    upstream behind {{ server 127.0.0.1:{behind}; keepalive 1024; keepalive_requests 1000000000; }}
    server {{ listen 127.0.0.1:{listen}{options} backlog=4096; location / {{ proxy_pass {scheme}://behind; }} }}"""

# S3: a small answer to everything, one large object, and somebody who checks signatures. STS: the session that is asked for, by the name
# that is in the call; the body is there for reading only where it is passed on.
UPSTREAM = """\
sendfile on;
    tcp_nopush on;
    client_body_buffer_size 1m;
    client_body_in_single_buffer on;
    map $request_body $call {{ "~RoleSessionName=(?<name>[^&]+)" $name; "~Action=GetCallerIdentity" who; }}
    upstream judge {{ server 127.0.0.1:{judge}; }}
    upstream answers {{ server 127.0.0.1:{answers}; keepalive 64; keepalive_requests 1000000000; }}
    server {{
        listen 127.0.0.1:{up} backlog=4096;
        listen 127.0.0.1:{up_tls} ssl backlog=4096;
        root {memory};
        location / {{ return 200 "{small}"; }}
        location ~ /big$ {{ }}
        location ~ /judge$ {{ proxy_set_header Host $http_host; proxy_pass http://judge; }}
    }}
    server {{
        listen 127.0.0.1:{sts} backlog=4096;
        location / {{ proxy_set_header x-call $call; proxy_pass_request_body off; proxy_set_header Content-Length ""; proxy_pass http://answers; }}
    }}
    server {{
        listen 127.0.0.1:{answers} backlog=4096;
        default_type text/xml;
        location / {{ if ($http_x_call = who) {{ return 200 '{identity}'; }} return 200 '{session}'; }}
    }}"""

SESSION_XML = (
    '<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><AssumedRoleUser>'
    "<AssumedRoleId>AROABENCH0000000000000:$http_x_call</AssumedRoleId><Arn>{arn}/$http_x_call</Arn></AssumedRoleUser><Credentials>"
    "<AccessKeyId>{keys.access_key_id}</AccessKeyId><SecretAccessKey>{keys.secret_access_key}</SecretAccessKey>"
    "<SessionToken>{keys.session_token}</SessionToken><Expiration>{expires}</Expiration></Credentials>"
    "<PackedPolicySize>6</PackedPolicySize></AssumeRoleResult><ResponseMetadata><RequestId>bench</RequestId></ResponseMetadata></AssumeRoleResponse>"
)
IDENTITY_XML = (
    '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
    "<Arn>arn:aws:iam::111122223333:user/base</Arn><UserId>AIDABASE0000000000000</UserId><Account>111122223333</Account>"
    "</GetCallerIdentityResult><ResponseMetadata><RequestId>bench</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
)
SMALL = "0123456789abcdef" * 8


def passing(shape: Shape, ports: dict[str, int], work: Path, http2: bool = False) -> str:
    """Passes everything on. In clear a listener of nginx speaks HTTP/2 or HTTP/1.1, not both: `http2` says which."""
    options = " ssl http2" if shape.tls_in else " http2" if http2 else ""
    inside = PASS.format(work=work, behind=shape.port(ports), listen=ports["proxy"], options=options, scheme="https" if shape.tls_out else "http")
    return _whole(work, "nginx", inside)


def upstream(ports: dict[str, int], work: Path, memory: Path) -> str:
    """What all proxies forward to, and the STS of Palisade."""
    return _whole(work, "upstream", UPSTREAM.format(**ports, memory=memory, small=SMALL, identity=IDENTITY_XML, session=session_xml()))


def session_xml() -> str:
    """STS's answer to `AssumeRole`, with nginx's variable in place of the session name; good for twelve hours."""
    expires = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=12)).strftime("%Y-%m-%dT%H:%M:%SZ")
    role = ROLE.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/")
    return SESSION_XML.format(arn=role, keys=SESSION, expires=expires)


def _whole(work: Path, name: str, inside: str) -> str:
    home = work / name
    home.mkdir(exist_ok=True)
    return COMMON.format(user="user root;\n" if os.geteuid() == 0 else "", home=home, work=work, inside=inside)
