"""From validated requests to the commands of core: once, for both faces."""

from gochat.contract import requests
from gochat.core.conversations import CreateConversation
from gochat.core.messages import SendMessage
from gochat.core.model import Attachment, ConversationId, Device, History, Kind, UserId


def send_command(request: requests.Send, user_id: UserId) -> SendMessage:
    """`message:send` and `POST messages`."""
    return SendMessage(
        conversation_id=request.conversation_id,
        sender_id=user_id,
        client_message_id=request.client_message_id,
        body=request.body,
        reply_to_seq=request.reply_to_seq,
        attachments=tuple(_attachment(attachment) for attachment in request.attachments),
    )


def _attachment(attachment: requests.Attachment) -> Attachment:
    return Attachment(
        url=attachment.url,
        mime_type=attachment.mime_type,
        size=attachment.size,
        width=attachment.width,
        height=attachment.height,
        name=attachment.name,
    )


def create_command(request: requests.Create, user_id: UserId, new_id: ConversationId) -> CreateConversation:
    """`conversation:create` and `POST conversations`. `new_id` is used if it is not there yet."""
    return CreateConversation(
        new_id=new_id,
        creator_id=user_id,
        kind=Kind(request.kind),
        member_ids=tuple(request.member_ids),
        title=request.title,
        client_conversation_id=request.client_conversation_id,
        history=History(request.history),
    )


def device_in(device: requests.DeviceIn | None) -> Device:
    """What an app said of its phone; nothing, if it said nothing."""
    if device is None:
        return Device()
    return Device(device.name, device.platform, device.app_version, device.installation_id)
