// One peer on Node: node peer.mjs IMPL. The first line of the input is the material; each further line asks to verify for
// some milliseconds, and is answered with how often that was done and the CPU time of all threads it took.
import { createPublicKey, createSecretKey, timingSafeEqual, createHmac, verify as rawVerify } from 'node:crypto'
import { createInterface } from 'node:readline'

const material = {}

const makers = {
  // OpenSSL's check of the signature alone, of a token that is cut up already.
  async 'node:crypto'({ alg, key, token }) {
    const at = token.lastIndexOf('.')
    const input = Buffer.from(token.slice(0, at))
    const good = Buffer.from(token.slice(at + 1), 'base64url')
    const hash = alg === 'EdDSA' ? null : 'sha256'
    const options = alg === 'ES256' ? { key, dsaEncoding: 'ieee-p1363' } : key
    return (t) => {
      const sig = t === token ? good : Buffer.from(t.slice(at + 1), 'base64url')
      const ok = alg === 'HS256'
        ? timingSafeEqual(createHmac('sha256', key).update(input).digest(), sig)
        : rawVerify(hash, input, options, sig)
      if (!ok) throw new Error('signature')
      return null
    }
  },
  async jose({ alg, key, issuer, audience }) {
    const { jwtVerify } = await import('jose')
    const options = { issuer, audience, algorithms: [alg], typ: 'at+jwt' }
    return async (t) => (await jwtVerify(t, key, options)).payload
  },
  async 'fast-jwt'(m) { return fastJwt(m, false) },
  async 'fast-jwt, cached'(m) { return fastJwt(m, 1000) },
  async jsonwebtoken({ alg, key, issuer, audience }) {
    if (alg === 'EdDSA') return undefined // does not know it
    const { default: jwt } = await import('jsonwebtoken')
    const options = { algorithms: [alg], issuer, audience }
    return (t) => jwt.verify(t, key, options)
  },
  async 'aws-jwt-verify'({ alg, key, issuer, audience, kid }) {
    if (alg === 'HS256') return undefined // only checks what others signed
    const { JwtVerifier } = await import('aws-jwt-verify')
    const verifier = JwtVerifier.create({ issuer, audience, jwksUri: issuer + '/.well-known/jwks.json' })
    verifier.cacheJwks({ keys: [{ ...key.export({ format: 'jwk' }), kid, alg, use: 'sig' }] })
    return (t) => verifier.verifySync(t)
  },
}

async function fastJwt({ alg, pem, secret, issuer, audience }, cache) {
  const { createVerifier } = await import('fast-jwt')
  return createVerifier({
    key: pem ?? Buffer.from(secret, 'base64'), algorithms: [alg], allowedIss: issuer, allowedAud: audience, cache,
  })
}

function right(payload) {
  if (payload === null) return // the bare check reads nothing
  if (payload.type !== 'user' || payload.properties.userID !== material.userID || payload.roles.length !== 3) {
    throw new Error('the token was read wrongly')
  }
}

async function setUp(line) {
  Object.assign(material, JSON.parse(line))
  material.key = material.pem ? createPublicKey(material.pem) : createSecretKey(Buffer.from(material.secret, 'base64'))
  const verify = await makers[process.argv[2]](material)
  if (!verify) return { skip: true }
  const wait = material.alg !== undefined && process.argv[2] === 'jose' // the others answer at once
  const once = wait ? async (t) => right(await verify(t)) : (t) => right(verify(t))
  await once(material.token)
  let refused = false
  try { await once(material.spoilt) } catch { refused = true }
  if (!refused) throw new Error('a token with another signature was taken')
  return { ready: true, wait, once }
}

let subject
for await (const line of createInterface({ input: process.stdin })) {
  if (!subject) {
    subject = await setUp(line)
    console.log(JSON.stringify({ skip: !!subject.skip }))
    continue
  }
  const { token } = material
  // A fresh string each time, as a request brings one: V8 remembers the hash of a string it has seen.
  const fresh = () => Buffer.from(token, 'latin1').latin1Slice()
  const end = performance.now() + JSON.parse(line).ms
  const before = process.cpuUsage()
  let n = 0
  if (subject.wait) {
    for (; performance.now() < end; n += 16) for (let i = 0; i < 16; i++) await subject.once(fresh())
  } else {
    for (; performance.now() < end; n += 16) for (let i = 0; i < 16; i++) subject.once(fresh())
  }
  const used = process.cpuUsage(before)
  console.log(JSON.stringify({ n, ns: (used.user + used.system) * 1000 }))
}
