// What an app does with the client that a generator wrote from docs/contract/openapi.json.
import chat.apis.AuthApi
import chat.apis.ConversationsApi
import chat.apis.MessagesApi
import chat.infrastructure.ApiClient
import chat.infrastructure.ClientException
import chat.models.CreateRequest
import chat.models.LoginRequest
import chat.models.RegisterRequest
import chat.models.SendRequest
import com.google.gson.JsonObject
import com.google.gson.JsonParser
import java.util.UUID

fun main(arguments: Array<String>) {
    val url = arguments.single()
    val auth = AuthApi(url)
    val ben = auth.register(RegisterRequest(username = "ben", password = "secret-of-ben"))
    auth.register(RegisterRequest(username = "ann", password = "secret-of-ann"))
    val refused = try {
        auth.login(LoginRequest(username = "ann", password = "wrong-password"))
        "nothing"
    } catch (refusal: ClientException) {
        val error = refusal.response as chat.infrastructure.ClientError<*>
        JsonParser.parseString(error.body as String).asJsonObject["code"].asString
    }
    val tokens = auth.login(LoginRequest(username = "ann", password = "secret-of-ann"))
    ApiClient.accessToken = tokens.accessToken
    val conversations = ConversationsApi(url)
    val created = conversations.createConversation(
        CreateRequest(kind = CreateRequest.Kind.direct, memberIds = listOf(ben.user.id)),
    )
    val sent = MessagesApi(url).sendMessage(
        SendRequest(created.conversation!!.id, UUID.randomUUID().toString(), body = "hello"),
    )
    val listed = conversations.conversations().conversations
    println(
        JsonObject().apply {
            addProperty("logged_in", tokens.user.username)
            addProperty("refused", refused)
            addProperty("sent", sent.message.body)
            addProperty("listed", listed.size)
            addProperty("last_message", listed.single().lastMessage?.body)
        },
    )
    System.exit(0)
}
