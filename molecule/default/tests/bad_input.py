# Copyright: (c) 2026, Trenova self-host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Mistakes of inventories and servers: what is set (or, in `capacity`, found), and what the message must say.

Each is one host of one preflight run. Every word of `says` must stand in the lines of one problem.
"""

from __future__ import annotations

from typing import NamedTuple


class Case(NamedTuple):
    """A mistake: its name, the variables that make it, and the words of the problem that it must cause."""

    name: str
    variables: dict
    says: tuple[str, ...]


def capacity(**found):
    """Variables of a host on which something else is found than on the server of the test."""
    return {"trenova_capacity": found}


def own(name, **container):
    """A foreign container as the measurement finds it."""
    return {"name": name, "image": "x:1", "state": "running", "project": None, "one_off": False, "role": None,
            "working_dir": None, "ports": "", **container}


STRONG = "kD8-fW2_qL5xR9tZ3vB7nM1c"

CASES = [
    # -- size and plan
    Case("unknown-tier", {"trenova_tier": "huge"}, ("trenova_tier", '"huge"', "minimum, small, medium, large")),
    Case("tier-misspelt", {"trenova_tier": "smal"}, ("trenova_tier", '"smal"', "Did you mean small?")),
    Case("no-users", {"trenova_users": 0}, ("trenova_users", "at least 1, got 0")),
    Case("negative-users", {"trenova_users": -5}, ("trenova_users", "at least 1, got -5")),
    Case("users-in-words", {"trenova_users": "many"}, ("trenova_users", "expected a whole number", '"many"')),
    Case("half-a-user", {"trenova_users": 2.5}, ("trenova_users", "expected a whole number", "2.5")),
    Case("unknown-mode", {"trenova_mode": "turbo"}, ("trenova_mode", '"turbo"', "document")),
    Case("override-of-unknown-service", {"trenova_plan_overrides": {"redsi": {"cpus": 1}}},
         ("trenova_plan_overrides", '"redsi"', "Did you mean redis?")),
    Case("override-of-unknown-setting", {"trenova_plan_overrides": {"redis": {"maxmemroy_mb": 100}}},
         ("trenova_plan_overrides.redis", '"maxmemroy_mb"', "Did you mean maxmemory_mb?")),
    Case("override-with-unit", {"trenova_plan_overrides": {"redis": {"memory_limit_mb": "2GB"}}},
         ("trenova_plan_overrides.redis.memory_limit_mb", '"2GB"', "write 2048")),
    Case("absurd-users", {"trenova_users": 10**9}, ("trenova_users", "at most 100000 users", "got 1000000000")),
    Case("capacity-with-unit", capacity(memory_mb="12 GiB"), ("capacity.memory_mb", '"12 GiB"', "write 12288")),
    Case("capacity-in-gibibytes", capacity(memory_mb=12), ("capacity.memory_mb: 12 MiB is less", "write 12288")),
    Case("capacity-in-bytes", capacity(memory_mb=17179869184), ("if that is in bytes, write 16384",)),
    Case("all-memory-reserved", {"trenova_reserved_memory_mb": 16384},
         ("trenova_reserved_memory_mb: 16384 MiB are all that the host has",)),
    Case("too-much-memory-reserved", {"trenova_reserved_memory_mb": 8192},
         ("R1", "8192 MiB of memory beside 8192 MiB for other software found, 11060 MiB needed")),
    Case("overrides-that-contradict", {"trenova_plan_overrides": {"pgbouncer": {
        "default_pool_size": 30, "max_db_connections": 20}}},
         ("R6", "pool 30 and reserve 8 exceed max_db_connections 20")),
    Case("promises-that-the-host-lacks", {"trenova_plan_overrides": {"postgres": {
        "memory_limit_mb": 8500, "memory_reservation_mb": 8500}, "redis": {"memory_reservation_mb": 2048}}},
         ("R4", "memory reservations add up to", "80 % of the 13722 MiB")),
    Case("volume-that-the-disk-lacks", {"trenova_plan_overrides": {"postgres": {"volume_gb": 500}}},
         ("R7", "GB from the first day on, 80 GB can be had", "lower postgres.volume_gb")),
    Case("backups-beside-the-data", {"trenova_accept_backup_on_data_disk": False},
         ("R8", "lost with it", "backup_targets", "trenova_accept_backup_on_data_disk: true")),
    Case("memory-that-the-host-lacks", {"trenova_plan_overrides": {"redis": {"memory_limit_mb": 99999}}},
         ("R3", "memory limits add up to", "redis 99999")),
    Case("cores-that-the-host-lacks", {"redis_compose_extra": {"redis": {"cpus": 64}}},
         ("redis_compose_extra gives redis 64 CPU cores; the host has 8", "cpus: 8 or less")),
    Case("memory-limit-that-the-host-lacks", {"redis_compose_extra": {"redis": {"mem_limit": "64g"}}},
         ("redis_compose_extra gives redis 65536 MiB of memory; the host has 16384", "mem_limit: 16384m or less")),
    Case("too-few-cores", capacity(cores=2), ("R1", "2 CPU cores found, 6 needed", "trenova_accept_undersized_host")),
    Case("too-little-memory", capacity(memory_mb=4096), ("R1", "4096 MiB of memory found", "needed")),
    Case("too-little-disk", capacity(disk_free_gb=5, disk_total_gb=5, disk_used_by_trenova_gb=0),
         ("R1", "5 GB of free disk found", "needed")),
    Case("full-disk", {"trenova_accept_undersized_host": True, **capacity(
        disks={"/var/lib/trenova": {"free_gb": 0.2, "free_inodes": 99999, "mount": "/"}})},
         ("The disk is too full: 0.2 GB are free", "/var/lib/trenova", "docker image prune")),
    Case("no-inodes", capacity(disks={"/opt/trenova": {"free_gb": 50, "free_inodes": 12, "mount": "/opt"}}),
         ("only 12 inodes left", "/opt/trenova, mounted on /opt")),
    # -- the server
    Case("unsupported-distribution", capacity(distribution={"id": "alpine", "name": "Alpine Linux", "version": "3.22"}),
         ("Alpine Linux is not supported", "Debian 12 or newer")),
    Case("old-distribution", capacity(distribution={"id": "debian", "name": "Debian 10", "version": "10"}),
         ("Debian 10 is older than debian 12", "upgrade the distribution")),
    Case("unsupported-architecture", capacity(architecture="riscv64"),
         ("architecture riscv64 is not supported", "x86_64, aarch64")),
    Case("no-systemd", capacity(service_manager=""), ("not run by systemd",)),
    Case("clock-ahead", capacity(clock={"epoch_seconds": 4102444800.0, "synchronized": False}),
         ("The clock of the host is", "ahead of the controller's", "chrony")),
    Case("clock-behind", capacity(clock={"epoch_seconds": 946684800.0, "synchronized": False}),
         ("The clock of the host is", "behind the controller's")),
    Case("port-held-by-a-process", {"caddy_https_port": 8443, **capacity(
        listeners=[{"port": 8443, "address": "0.0.0.0", "pid": 77, "process": "apache2"}])},
         ("Port 8443 is held by apache2 (process 77)", "caddy_https_port")),
    Case("port-held-by-a-container", {"caddy_http_port": 8080, **capacity(
        listeners=[{"port": 8080, "address": "0.0.0.0", "pid": 9, "process": "docker-proxy"}],
        containers=[own("nginx", project="web", working_dir="/srv/web", ports="0.0.0.0:8080->80/tcp")])},
         ("Port 8080 is held by the container nginx",)),
    Case("another-project-of-the-same-name", capacity(
        containers=[own("web-1", project="trenova", working_dir="/srv/old")]),
         ("Another Compose project is called trenova", "web-1", "/srv/old")),
    Case("foreign-container-with-our-name", capacity(
        containers=[own("tren-db", project="old", working_dir="/srv/old")]),
         ("tren-db has one of our names and is not ours", "docker rename tren-db")),
    Case("directory-of-somebody-else", capacity(deployed={"owners": {"/var/lib/trenova/postgres": 1001}}),
         ("/var/lib/trenova/postgres is not empty and belongs to user 1001", "chown -R 999:999")),
    Case("project-directory-of-somebody-else", capacity(deployed={"owners": {"/opt/trenova": 1000}}),
         ("/opt/trenova is not empty and belongs to user 1000",)),
    Case("broken-daemon-json", capacity(docker={"daemon_json": {"unreadable": "Expecting value: line 1"}}),
         ("/etc/docker/daemon.json is no valid JSON", "Expecting value")),
    Case("no-engine-and-none-wanted", {"docker_source": "none", **capacity(docker={"installed": False})},
         ("There is no Docker Engine on the host, and docker_source is none",)),
    Case("data-that-is-gone", capacity(deployed={"postgres_major": None}),
         ("PostgreSQL was deployed here, and its data is gone", "mount the disk")),
    Case("data-of-another-major", {"postgres_image": "172.30.60.2:5000/library/postgres:16.10"},
         ("The data on the host is of PostgreSQL 17", "postgres:16.10")),
    # -- names and addresses
    Case("no-domain", {"trenova_domain": ""}, ("trenova_domain is missing", "erp.your-company.com")),
    Case("placeholder-domain", {"trenova_domain": "trenova.example.com"},
         ("trenova_domain is still the example trenova.example.com",)),
    Case("domain-with-scheme", {"trenova_domain": "https://erp.trucks.co"},
         ("trenova_domain is no host name", "without https://")),
    Case("domain-in-capitals", {"trenova_domain": "ERP.trucks.co"},
         ("trenova_domain is no host name: ERP.trucks.co", "lower case")),
    Case("domain-with-underscore", {"trenova_domain": "my_erp.trucks.co"}, ("trenova_domain is no host name",)),
    Case("domain-without-dot", {"trenova_domain": "erp"}, ("trenova_domain is no host name: erp",)),
    Case("address-for-a-domain", {"trenova_domain": "10.0.0.5"},
         ("trenova_domain is an address: 10.0.0.5", "made for names")),
    Case("two-names-alike", {"trenova_s3_domain": "erp.trucks.co", "trenova_domain": "erp.trucks.co"},
         ("trenova_s3_domain and trenova_domain are the same",)),
    Case("no-mail-for-acme", {"caddy_tls": "acme"}, ("caddy_acme_email is missing",)),
    Case("placeholder-mail-for-acme", {"caddy_tls": "acme", "caddy_acme_email": "you@example.com"},
         ("caddy_acme_email is still the example you@example.com",)),
    Case("bad-mail-for-acme", {"caddy_tls": "acme", "caddy_acme_email": "ops"},
         ("caddy_acme_email is no mail address: ops",)),
    Case("bad-administrator", {"trenova_admin_email": "admin at trucks"}, ("trenova_admin_email is no mail address",)),
    Case("no-administrator", {"trenova_admin_email": ""}, ("trenova_admin_email is missing",)),
    Case("bad-bind-address", {"caddy_bind_address": "eth0"}, ("caddy_bind_address is no address: eth0",)),
    Case("proxy-without-address", {"caddy_tls": "proxy"},
         ("caddy_trusted_proxies is missing, and caddy_tls is proxy",)),
    Case("proxy-by-name", {"caddy_tls": "proxy", "caddy_trusted_proxies": ["proxy1"]},
         ("caddy_trusted_proxies holds what is no network", "10.0.0.0/16")),
    Case("proxy-here-with-open-ports", {"caddy_tls": "proxy", "caddy_trusted_proxies": ["127.0.0.1"]},
         ("caddy_trusted_proxies names this host itself (127.0.0.1)", "caddy_bind_address: 127.0.0.1")),
    Case("proxy-elsewhere-with-closed-ports", {
        "caddy_tls": "proxy", "caddy_trusted_proxies": ["192.0.2.10"], "caddy_bind_address": "127.0.0.1"},
         ("caddy_bind_address is 127.0.0.1", "everybody would be refused")),
    Case("ports-that-no-authority-asks", {
        "caddy_tls": "acme", "caddy_acme_email": "ops@trucks.co", "caddy_http_port": 8080, "caddy_https_port": 8443},
         ("the authority asks the ports 80 and 443 only", "caddy_public_http_port: 80")),
    Case("ports-alike", {"caddy_http_port": 8443, "caddy_https_port": 8443},
         ("caddy_http_port and caddy_https_port are the same: 8443",)),
    Case("other-ports-in-words", {"trenova_verify_other_ports": ["http"]},
         ("trenova_verify_other_ports holds what is no port", "9200-9300")),
    Case("line-break-in-a-text", {"caddy_dashboard_user": "operator\nadmin"},
         ("caddy_dashboard_user holds a line break", "one line")),
    Case("placeholder-server", {"ansible_host": "trenova1.example.com"}, ("address of the host is still the example",)),
    # -- schedules, numbers, paths
    Case("cron-for-a-calendar", {"backup_schedule": "30 1 * * *"},
         ("backup_schedule is no calendar expression of systemd (this is a line of cron)", "*-*-* 01:30:00")),
    Case("impossible-time", {"backup_schedule": "*-*-* 25:00:00"},
         ("backup_schedule", "25 of 25:00:00 is not from 0 to 23")),
    Case("words-for-a-calendar", {"backup_schedule": "every night"}, ("backup_schedule is no calendar expression",)),
    Case("unknown-time-zone", {"backup_schedule": "Sun 03:00 Europe/Berln"}, ("there is no time zone Europe/Berln",)),
    Case("schedules-that-overlap", {"backup_drill_schedule": "Sun *-*-* 01:40:00"},
         ("backup_schedule (*-*-* 01:30:00) and backup_drill_schedule (Sun *-*-* 01:40:00) overlap",
          "backup_drill_schedule: Sun *-*-* 0")),
    Case("schedule-that-meets-itself", {"backup_schedule": "*:0/10"},
         ("backup_schedule (*:0/10) is due again after 10 minutes", "due every hour or less often")),
    Case("port-out-of-range", {"caddy_https_port": 70000}, ("caddy_https_port is 70000", "a number from 1 to 65535")),
    Case("port-in-words", {"caddy_https_port": "eighty"}, ("caddy_https_port", "eighty", "int")),
    Case("nothing-to-keep", {"backup_retention": {"daily": 0, "weekly": 0, "monthly": 0}},
         ("backup_retention keeps nothing", "{daily: 7, weekly: 4, monthly: 6}")),
    Case("relative-directory", {"backup_directory": "backups"}, ("backup_directory is no absolute path: backups",)),
    Case("bad-size", {"docker_log_max_size": "10 MB"}, ("docker_log_max_size is no size: 10 MB", "as 10m")),
    Case("bad-network", {"docker_address_pools": [{"base": "10.201.0.1/16", "size": 24}]},
         ("docker_address_pools holds what is no network",)),
    Case("list-for-a-dict", {"redis_settings_extra": ["maxclients 5"]}, ("redis_settings_extra", "dict")),
    Case("text-for-a-bool", {"redis_enabled": "perhaps"}, ("redis_enabled", "bool")),
    Case("number-for-a-version", {"docker_compose_minimum": 2.20},
         ("docker_compose_minimum: expected text in quotes; got 2.2",)),
    Case("unknown-choice", {"caddy_tls": "letsencrypt"}, ("caddy_tls", "letsencrypt", "acme, internal, files, proxy")),
    Case("role-without-password", {"postgres_roles_extra": [{"name": "analyst"}]},
         ("password", "postgres_roles_extra")),
    Case("misspelt-shared-variable", {"trenova_teir": "small"}, ("trenova_teir is no variable", "trenova_tier is")),
    Case("misspelt-secret", {"trenova_redis_pasword": STRONG},
         ("trenova_redis_pasword is no variable", "trenova_redis_password is")),
    Case("invented-variable", {"trenova_make_it_fast": True}, ("trenova_make_it_fast is no variable",)),
    Case("unknown-variable-inside", {"caddy_acme_email": "{{ no_such_variable }}"},
         ("caddy_acme_email cannot be resolved",)),
    # -- secrets
    Case("no-secret", {"trenova_redis_password": ""}, ("trenova_redis_password is missing", "playbooks/secrets.yml")),
    Case("default-secret", {"trenova_minio_password": "minioadmin"},
         ("trenova_minio_password is a well-known default",)),
    Case("document-secret", {"trenova_postgres_password": "YourSecurePassword"},
         ("trenova_postgres_password is a well-known default",)),
    Case("short-secret", {"trenova_redis_password": "abc-DEF_123"},
         ("trenova_redis_password is too short: 11 characters, at least 20",)),
    Case("simple-secret", {"trenova_redis_password": "abababababababababababab"},
         ("too simple: it has only 2 different",)),
    Case("secret-for-no-address", {"trenova_postgres_password": "kD8/fW2@qL5#xR9:tZ3%vB7n"},
         ("trenova_postgres_password may hold only A-Z a-z 0-9 _ and -",)),
    Case("secret-with-line-end", {"trenova_rabbitmq_password": STRONG + "\n"},
         ("trenova_rabbitmq_password may hold only",)),
    Case("key-of-backups-that-is-another-secret", {
        "trenova_backup_key": STRONG, "trenova_redis_password": STRONG},
         ("trenova_backup_key and trenova_redis_password are the same", "reads all backups")),
    Case("number-for-a-secret", {"trenova_redis_password": 12345678901234567890123},
         ("trenova_redis_password is not text; put it in quotes",)),
    Case("key-that-is-no-base64", {"trenova_api_secret_key": "secretKey!"},
         ("trenova_api_secret_key is not standard base64",)),
    Case("key-in-url-safe-base64", {"trenova_api_secret_key": "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRW_-A="},
         ("trenova_api_secret_key is not standard base64",)),
    Case("key-of-wrong-length", {"trenova_api_secret_key": "c2hvcnQ="},
         ("trenova_api_secret_key is base64 of 5 bytes; an AES key has",)),
    Case("login-with-a-space", {"trenova_admin_password": "correct horse battery"},
         ("trenova_admin_password may hold no white space",)),
    Case("short-login", {"trenova_dashboard_password": "Ab1-x"},
         ("trenova_dashboard_password is too short: 5 characters, at least 12",)),
    # -- images and what services need
    Case("image-without-version", {"redis_image": "docker.io/library/redis"}, ("redis_image names no version",)),
    Case("latest-image", {"caddy_image": "docker.io/library/caddy:latest"},
         ("caddy_image names no version", "caddy:<version>")),
    Case("redis-seven", {"redis_image": "docker.io/library/redis:7.4"}, ("has no JSON commands", "Redis 8")),
    Case("valkey", {"redis_image": "docker.io/valkey/valkey:8.1"}, ("has no JSON commands",)),
    Case("policy-that-throws-jobs-away", {"redis_settings_extra": {"maxmemory-policy": "allkeys-lru"}},
         ("redis_settings_extra sets maxmemory-policy allkeys-lru, which throws queued jobs away",)),
    Case("needed-service-switched-off", {"redis_enabled": False},
         ("api needs redis, which is switched off", "redis_enabled: true")),
    Case("external-database-without-host", {"postgres_mode": "external"},
         ("postgres_external_host is missing, and postgres_mode is external",)),
    Case("external-host-as-address-of-the-web", {"postgres_mode": "external", "postgres_external_host": "https://db"},
         ("postgres_external_host is neither a host name nor an address",)),
    Case("external-database-that-does-not-answer",
         {"postgres_mode": "external", "postgres_external_host": "172.30.60.250", "postgres_external_tls": "disable"},
         ("PostgreSQL, which is external, cannot be used from this host", "172.30.60.250:5432 does not answer")),
    Case("external-store-with-scheme", {"minio_mode": "external", "minio_external_endpoint": "https://s3.trucks.co"},
         ("minio_external_endpoint is no host name with an optional port",)),
    Case("bucket-without-a-name", {
        "backup_targets": [{"name": "away", "s3": {"endpoint": "https://s3.trucks.co", "access_key": "x"}}],
        "trenova_backup_s3_secret_key": STRONG}, ("backup_targets[0].s3.bucket is missing",)),
    Case("bucket-endpoint-without-scheme", {
        "backup_targets": [{"name": "away", "s3": {"endpoint": "s3.trucks.co", "bucket": "b", "access_key": "x"}}],
        "trenova_backup_s3_secret_key": STRONG},
         ("backup_targets[0].s3.endpoint is no address of the web: s3.trucks.co",)),
    Case("bucket-without-its-secret", {
        "backup_targets": [{
            "name": "away", "s3": {"endpoint": "https://s3.else.co", "bucket": "b", "access_key": "x"}}]},
         ("trenova_backup_s3_secret_key is missing, and target away of backup_targets has s3",)),
    Case("sftp-server-that-nobody-knows", {
        "backup_targets": [{"name": "box", "sftp": {"host": "box.trucks.co", "user": "erp"}}],
        "trenova_backup_sftp_key": STRONG}, ("backup_targets[0].sftp.host_key is missing",)),
    Case("two-targets-in-one", {
        "backup_targets": [{"name": "both", "directory": "/mnt/backups", "sftp": {"host": "box.trucks.co"}}]},
         ("backup_targets[0] has directory and sftp", "exactly one of them")),
    Case("target-in-a-relative-directory", {"backup_targets": [{"name": "local", "directory": "backups"}]},
         ("backup_targets[0].directory is no absolute path: backups",)),
    Case("target-among-the-data", {"backup_directory": "/var/lib/trenova/backups"},
         ("The target /var/lib/trenova/backups lies in /var/lib/trenova, where the data is", "/var/backups/trenova")),
    Case("target-that-holds-the-data", {"backup_targets": [{"name": "local", "directory": "/var/lib"}]},
         ("The target /var/lib holds /var/lib/trenova, where the data is",)),
    Case("two-targets-in-one-place", {"backup_targets": [
        {"name": "local", "directory": "/mnt/backups"}, {"name": "second", "directory": "/mnt/backups/"}]},
         ("The targets local and second of backup_targets are the same place: /mnt/backups",)),
    Case("sftp-server-with-its-host", {
        "backup_targets": [{"name": "box", "sftp": {
            "host": "box.trucks.co", "user": "erp", "host_key": "box.trucks.co ssh-ed25519 AAAA"}}],
        "trenova_backup_sftp_key": STRONG}, ("backup_targets[0].sftp.host_key is no key of a server",)),
    Case("sftp-key-that-cannot-be-read", {
        "backup_targets": [{"name": "box", "sftp": {
            "host": "box.trucks.co", "user": "erp", "host_key": "ssh-ed25519 AAAA"}}],
        "trenova_backup_sftp_key": STRONG},
         ("trenova_backup_sftp_key is no private key that can be read, and target box", "ssh-keygen")),
    Case("mail-without-server", {"backup_mail_to": "ops@trucks.co"},
         ("backup_smtp_host is missing, and backup_mail_to is set",)),
    Case("bad-mail-for-reports", {"backup_mail_to": "ops", "backup_smtp_host": "mail.trucks.co"},
         ("backup_mail_to is no mail address: ops",)),
    Case("no-certificate-file", {"caddy_tls": "files", "caddy_certificate_file": "/absent.pem",
                                 "caddy_certificate_key_file": "/absent.key"},
         ("caddy_certificate_file names a file that is not there: /absent.pem",)),
    Case("certificate-without-path", {"caddy_tls": "files"},
         ("caddy_certificate_file is missing, and caddy_tls is files",)),
]
