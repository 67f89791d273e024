export { AttachProps, Attachment } from './attach';
export { Auth, AuthProps, IssuerProps, MailProps } from './auth';
export { findings } from './acknowledge';
