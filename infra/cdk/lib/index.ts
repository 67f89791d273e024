export { AttachProps, Attachment, AuthorizerType } from './attach';
export { Auth, AuthProps, IssuerProps, KeyStore, MailProps } from './auth';
export { findings } from './acknowledge';
export { IssuerApi } from './issuer';
