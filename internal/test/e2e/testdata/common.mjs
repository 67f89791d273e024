// What the checks share: a task comes in as JSON on standard input, the answer goes out as JSON on standard output.
// task = {issuer, audience, client, redirectURI, tokens: {name: token}}

export async function task() {
  let text = '';
  for await (const chunk of process.stdin) text += chunk;
  return JSON.parse(text);
}

// each runs check on every token and tells for each: {claims} if it was accepted, {refused} if not.
export async function each(tokens, check) {
  const verdicts = {};
  for (const [name, token] of Object.entries(tokens)) {
    try {
      verdicts[name] = { claims: await check(token) };
    } catch (err) {
      verdicts[name] = { refused: `${err.name}: ${err.message}` };
    }
  }
  return verdicts;
}

export function answer(value) {
  process.stdout.write(JSON.stringify(value));
}

// follow walks through the sign-in like a browser, cookies and all, and returns the address on redirectURI it ends at.
export async function follow(start, redirectURI) {
  const cookies = new Map();
  let url = new URL(start);
  for (let step = 0; step < 10; step++) {
    const response = await fetch(url, {
      redirect: 'manual',
      headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
    });
    for (const line of response.headers.getSetCookie()) {
      const [pair] = line.split(';');
      const at = pair.indexOf('=');
      cookies.set(pair.slice(0, at), pair.slice(at + 1));
    }
    const location = response.headers.get('location');
    if (!location) throw new Error(`${url.pathname} answered ${response.status}: ${await response.text()}`);
    url = new URL(location, url);
    if (url.href.startsWith(redirectURI)) return url;
  }
  throw new Error('the sign-in does not end');
}

// wait lets time pass for the application of the test.
export async function wait(issuer, seconds) {
  const response = await fetch(new URL(`/wait?seconds=${seconds}`, issuer), { method: 'POST' });
  if (!response.ok) throw new Error(`waiting: ${response.status}`);
}
