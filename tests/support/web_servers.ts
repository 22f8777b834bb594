/**
 * Starts nginx and Apache httpd on a free loopback port, with a configuration and files
 * of their own in a temporary directory. Disposal stops and reaps them.
 *
 * Both serve the same paths:
 *
 * - `/index.html`, `/notes.txt`: files; the second is compressed for who accepts gzip
 * - `/large.bin`: a file of 4 MiB
 * - `/cookies`: two Set-Cookie lines, `/moved`: 301, `/nothing`: 204
 * - `/small`: takes bodies of up to 10 bytes
 * - `/up/`: the upstream, upgrades included; bodies of up to 1 MB
 * - `/raw/`: an upstream that `scriptedOrigin` plays; `/old/` the same one, answered
 *   without chunks, so that a body without length lasts until the connection closes
 * - nginx only: `/trailers`, a chunked file with a trailer; `/silent`, closed without an
 *   answer; `/abrupt`, like `/small`, but closed at once, which resets the connection
 *
 * A connection to `brief` lasts for three requests, and 300 ms of idleness; one to `few`
 * for three requests. Apache is a forward proxy at `brief`, with tunnels to the
 * upstream's port alone. With a certificate, the
 * port `secure` speaks TLS. nginx listens on the Unix socket `dir/socket` as well.
 *
 * @module
 */

import type { Certificate } from "./certificate.ts";
import { pathOf } from "./needs.ts";

/** The content of `/index.html`. */
export const INDEX = "<!doctype html><title>A page</title><p>Hello.\n";
/** The content of `/notes.txt`. */
export const NOTES = "A line of text to compress.\n".repeat(40);
/** The length of `/large.bin`. */
export const LARGE = 4 << 20;

/** The ports of a server, on loopback. */
export interface Ports {
  port: number;
  brief: number;
  few: number;
  secure: number;
}

/** What may stand behind a server, beside its upstream. */
export interface More {
  /** The port of the origin behind `/raw/` and `/old/`. */
  scripted?: number;
  /** The certificate of the port that speaks TLS. */
  certificate?: Certificate;
}

/** A server in a process of its own. */
export class WebServer implements AsyncDisposable {
  readonly port: number;
  readonly ports: Ports;
  /** The temporary directory. */
  readonly dir: string;
  /** The directory of the files that it serves. */
  readonly root: string;
  readonly #process: Deno.ChildProcess;

  private constructor(ports: Ports, dir: string, process: Deno.ChildProcess) {
    this.port = ports.port;
    this.ports = ports;
    this.dir = dir;
    this.root = `${dir}/root`;
    this.#process = process;
  }

  /**
   * Starts a command that serves the files in `dir/root`, once it accepts connections.
   *
   * @param command The command, and files that it needs, by their paths in `dir`.
   */
  static async start(
    command: (
      port: number,
      dir: string,
      ports: Ports,
    ) => { args: string[]; files?: Record<string, string> },
  ): Promise<WebServer> {
    const dir = await Deno.makeTempDir();
    // A worker of a server that root started runs as another user.
    await Deno.chmod(dir, 0o755);
    await Deno.mkdir(`${dir}/root`);
    await Deno.writeTextFile(`${dir}/root/index.html`, INDEX);
    await Deno.writeTextFile(`${dir}/root/notes.txt`, NOTES);
    await Deno.writeFile(`${dir}/root/large.bin`, new Uint8Array(LARGE));
    for (const name of ["index.html", "notes.txt"]) {
      // The same in every recording.
      await Deno.utime(`${dir}/root/${name}`, 1_700_000_000, 1_700_000_000);
    }
    let stderr = "";
    // Between the choice of a free port and the start, another program may take it.
    for (let attempt = 0; attempt < 3; attempt++) {
      const ports = freePorts();
      const { args: [program, ...args], files = {} } = command(
        ports.port,
        dir,
        ports,
      );
      for (const [path, text] of Object.entries(files)) {
        await Deno.writeTextFile(`${dir}/${path}`, text);
      }
      const process = new Deno.Command(program!, {
        args,
        cwd: `${dir}/root`,
        env: { HOME: dir },
        stdin: "null",
        stdout: "null",
        stderr: "piped",
      }).spawn();
      const ended = process.stderr.pipeThrough(new TextDecoderStream());
      const reading = (async () => {
        for await (const text of ended) stderr += text;
      })();
      const server = new WebServer(ports, dir, process);
      if (await server.#accepts()) {
        server.#reading = reading;
        return server;
      }
      await process.status;
      await reading;
    }
    await Deno.remove(dir, { recursive: true });
    throw new Error(`the server did not start: ${stderr}`);
  }

  #reading: Promise<void> = Promise.resolve();

  /** Waits until it accepts connections. False if it ended, or was too slow. */
  async #accepts(): Promise<boolean> {
    let ended = false;
    this.#process.status.then(() => ended = true);
    const end = performance.now() + 15_000;
    while (!ended && performance.now() < end) {
      try {
        const conn = await Deno.connect({
          hostname: "127.0.0.1",
          port: this.port,
        });
        conn.close();
        return true;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
    if (!ended) this.kill("SIGKILL");
    return false;
  }

  /** The process ids of its workers; Linux. */
  workers(): number[] {
    const { pid } = this.#process;
    const path = `/proc/${pid}/task/${pid}/children`;
    return Deno.readTextFileSync(path).trim().split(" ").map(Number);
  }

  kill(signal: Deno.Signal): void {
    try {
      this.#process.kill(signal);
    } catch {
      // It has ended.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // At once, and with the workers: SIGTERM is the fast shutdown of both.
    this.kill("SIGTERM");
    const late = setTimeout(() => this.kill("SIGKILL"), 10_000);
    await this.#process.status;
    clearTimeout(late);
    await this.#reading;
    await Deno.remove(this.dir, { recursive: true });
  }
}

function freePorts(): Ports {
  // All at once, so that they differ.
  using plain = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using brief = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using few = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using secure = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return {
    port: plain.addr.port,
    brief: brief.addr.port,
    few: few.addr.port,
    secure: secure.addr.port,
  };
}

function certificateFiles({ certificate }: More): Record<string, string> {
  return certificate === undefined
    ? {}
    : { "cert.pem": certificate.cert, "key.pem": certificate.key };
}

/** Starts nginx; `upstream` is the port of the server behind `/up/`. */
export function startNginx(
  upstream: number,
  more: More = {},
): Promise<WebServer> {
  return WebServer.start((_port, dir, ports) => ({
    args: [pathOf("nginx") ?? "nginx", "-p", dir, "-c", `${dir}/nginx.conf`],
    files: {
      "nginx.conf": nginxConf(ports, dir, upstream, more),
      ...certificateFiles(more),
    },
  }));
}

function nginxConf(
  { port, brief, few, secure }: Ports,
  dir: string,
  upstream: number,
  { scripted = upstream, certificate }: More,
): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((name) => `${name}_temp_path ${dir}/${name};`).join("\n");
  const tls = certificate === undefined ? "" : `
    listen 127.0.0.1:${secure} ssl;
    ssl_certificate ${dir}/cert.pem;
    ssl_certificate_key ${dir}/key.pem;`;
  return `
daemon off;
worker_processes 1;
pid ${dir}/pid;
error_log ${dir}/error.log;
events { worker_connections 64; }
http {
  access_log off;
  ${temporary}
  types { text/html html; text/plain txt; application/octet-stream bin; }
  gzip on;
  gzip_types text/plain;
  server {
    listen 127.0.0.1:${port};
    listen unix:${dir}/socket;
    ${tls}
    root ${dir}/root;
    location = /cookies {
      add_header Set-Cookie a=1;
      add_header Set-Cookie "b=2; Path=/";
      return 200 "two cookies\\n";
    }
    location = /moved { return 301 /index.html; }
    location = /nothing { return 204; }
    location = /silent { return 444; }
    location = /trailers {
      alias ${dir}/root/index.html;
      add_trailer X-Check abc;
    }
    location = /small {
      client_max_body_size 10;
      proxy_pass http://127.0.0.1:${upstream};
    }
    location = /abrupt {
      client_max_body_size 10;
      lingering_close off;
      proxy_pass http://127.0.0.1:${upstream};
    }
    location /up/ {
      client_max_body_size 1000000;
      proxy_pass http://127.0.0.1:${upstream}/;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $http_connection;
      proxy_buffering off;
      proxy_request_buffering off;
    }
    location /raw/ {
      proxy_pass http://127.0.0.1:${scripted}/;
      proxy_buffering off;
    }
    location /old/ {
      proxy_pass http://127.0.0.1:${scripted}/;
      proxy_buffering off;
      chunked_transfer_encoding off;
    }
  }
  server {
    listen 127.0.0.1:${brief};
    root ${dir}/root;
    keepalive_timeout 300ms;
    keepalive_requests 3;
  }
  server {
    listen 127.0.0.1:${few};
    root ${dir}/root;
    keepalive_requests 3;
  }
}
`;
}

const APACHE_MODULES = [
  ...["mpm_event", "authz_core", "mime", "dir", "alias", "headers", "filter"],
  ...["deflate", "reqtimeout", "proxy", "proxy_http", "proxy_connect"],
  ...["setenvif", "ssl"],
];

/** Starts Apache httpd; `upstream` is the port of the server behind `/up/`. */
export function startApache(
  upstream: number,
  more: More = {},
): Promise<WebServer> {
  return WebServer.start((_port, dir, ports) => ({
    args: [
      pathOf("apache2") ?? "apache2",
      ...["-d", dir, "-f", `${dir}/apache.conf`, "-DFOREGROUND"],
    ],
    files: {
      "apache.conf": apacheConf(ports, dir, upstream, more),
      ...certificateFiles(more),
    },
  }));
}

function apacheConf(
  { port, brief, few, secure }: Ports,
  dir: string,
  upstream: number,
  { scripted = upstream, certificate }: More,
): string {
  const modules = APACHE_MODULES.map((name) =>
    `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`
  ).join("\n");
  const tls = certificate === undefined ? "" : `
Listen 127.0.0.1:${secure}
<VirtualHost 127.0.0.1:${secure}>
  SSLEngine on
  SSLCertificateFile ${dir}/cert.pem
  SSLCertificateKeyFile ${dir}/key.pem
</VirtualHost>`;
  return `
ServerRoot ${dir}
ServerName localhost
PidFile ${dir}/pid
Listen 127.0.0.1:${port}
Listen 127.0.0.1:${brief}
Listen 127.0.0.1:${few}
ErrorLog ${dir}/error.log
DefaultRuntimeDir ${dir}
Mutex posixsem
${modules}
${Deno.uid() === 0 ? "User www-data\nGroup www-data" : ""}
StartServers 1
ThreadsPerChild 8
MaxRequestWorkers 8
TypesConfig /dev/null
AddType text/html .html
AddType text/plain .txt
AddType application/octet-stream .bin
DocumentRoot ${dir}/root
<Directory ${dir}/root>
  Require all granted
</Directory>
AddOutputFilterByType DEFLATE text/plain
Alias /cookies ${dir}/root/index.html
<Location /cookies>
  Header add Set-Cookie a=1
  Header add Set-Cookie "b=2; Path=/"
</Location>
Redirect 301 /moved /index.html
RedirectMatch 204 ^/nothing$
Alias /small ${dir}/root/index.html
<Location /small>
  LimitRequestBody 10
</Location>
<Location /up/>
  LimitRequestBody 1000000
</Location>
SetEnvIf Request_URI ^/old/ downgrade-1.0 force-response-1.0
ProxyPass /up/ http://127.0.0.1:${upstream}/ upgrade=ANY
ProxyPass /raw/ http://127.0.0.1:${scripted}/
ProxyPass /old/ http://127.0.0.1:${scripted}/
<VirtualHost 127.0.0.1:${brief}>
  KeepAliveTimeout 300ms
  MaxKeepAliveRequests 3
  ProxyRequests On
  AllowCONNECT ${upstream}
</VirtualHost>
<VirtualHost 127.0.0.1:${few}>
  KeepAliveTimeout 60
  MaxKeepAliveRequests 3
</VirtualHost>
${tls}
`;
}
