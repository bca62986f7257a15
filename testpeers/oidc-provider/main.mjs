// An OpenID provider for tests: people with passwords, clients with back-channel logout, and pages without scripts. It is told by
// a file what to be, keeps what it knows in memory, and signs with keys that it makes when it starts.
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';

const options = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const issuer = `http://127.0.0.1:${options.port}`;
const users = new Map(options.users.map((user) => [user.id, user]));

const escape = (text) => String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
const page = (title, body) =>
  `<!doctype html><html lang="en"><meta charset="utf-8"><title>${title}</title><h1>${title}</h1>${body}</html>`;

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });

const provider = new Provider(issuer, {
  jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256' }] },
  cookies: { keys: ['a key of a test'] },
  clients: options.clients.map((client) => ({
    client_id: client.id,
    client_secret: client.secret,
    redirect_uris: client.redirects,
    post_logout_redirect_uris: client.afterLogout,
    ...(client.backChannel && { backchannel_logout_uri: client.backChannel, backchannel_logout_session_required: client.withSession }),
  })),
  conformIdTokenClaims: false,
  claims: { openid: ['sub'], profile: ['name'], email: ['email'], groups: ['groups'] },
  pkce: { required: () => true },
  findAccount: (_, id) =>
    users.has(id) && {
      accountId: id,
      claims: () => {
        const { email, name, groups } = users.get(id);
        return { sub: id, email, name, groups: groups ?? [] };
      },
    },
  // Programs of a test are on this machine, which the provider's own dispatcher refuses to call.
  fetch: (url, { dispatcher: _, ...request }) => globalThis.fetch(url, request),
  // Nobody is asked what a program may know of them: the grant is made as it is asked for.
  loadExistingGrant: async (ctx) => {
    const grant = new ctx.oidc.provider.Grant({ accountId: ctx.oidc.session.accountId, clientId: ctx.oidc.client.clientId });
    grant.addOIDCScope(ctx.oidc.params.scope);
    await grant.save();
    return grant;
  },
  interactions: { url: (_, interaction) => `/login/${interaction.uid}` },
  ttl: { IdToken: 600, Session: 3600, Grant: 3600, Interaction: 3600, AccessToken: 600, AuthorizationCode: 60 },
  features: {
    devInteractions: { enabled: false },
    backchannelLogout: { enabled: true },
    rpInitiatedLogout: {
      enabled: options.endSession,
      // form is the provider's own, with the state of what is asked.
      logoutSource: (ctx, form) => {
        ctx.body = page('Sign out?', `${form}<button form="op.logoutForm" name="logout" value="yes" type="submit">Yes, sign me out</button>`);
      },
      postLogoutSuccessSource: (ctx) => {
        ctx.body = page('Signed out', '<p>You are signed out.</p>');
      },
    },
  },
});

const loginPage = (at, wrong) =>
  page(
    'Sign in',
    `${wrong ? '<p role="alert">Invalid</p>' : ''}<form method="post" action="${escape(at)}"><label>E-mail <input id="login" name="login"></label>` +
      '<label>Password <input id="password" name="password" type="password"></label><button id="submit-login">Sign in</button></form>',
  );

const maxBody = 1 << 14;

const formOf = async (request) => {
  let body = '';
  for await (const chunk of request) {
    if ((body += chunk).length > maxBody) throw new Error('the form is too long');
  }
  return new URLSearchParams(body);
};

// login asks for a password, and goes on with the sign-in when it is right.
const login = async (request, response) => {
  await provider.interactionDetails(request, response);
  let wrong = false;
  if (request.method === 'POST') {
    const form = await formOf(request);
    const user = options.users.find((one) => one.email === form.get('login') && one.password === form.get('password'));
    if (user) return provider.interactionFinished(request, response, { login: { accountId: user.id } });
    wrong = true;
  }
  response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' });
  return response.end(loginPage(request.url, wrong));
};

const rest = provider.callback();

for (const event of ['server_error', 'backchannel.error', 'authorization.error', 'grant.error', 'end_session.error']) {
  provider.on(event, (_, error) => console.error(event, error));
}

createServer((request, response) => {
  if (!request.url.startsWith('/login/')) return rest(request, response);
  return login(request, response).catch((error) => {
    console.error(error);
    response.writeHead(500).end(String(escape(error.message)));
  });
}).listen(options.port, '127.0.0.1');
